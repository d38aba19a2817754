//! compose.yaml and the image, as a user has them. scripts/containers.sh starts the engine, builds the image, and says where they are:
//! `COMPOSE` and `DOCKER` are commands, `PG_MAJOR` is the image's PostgreSQL, `TRIPS_IMAGE_ADDED` how many bytes it adds to its base.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use trips_tests::files::repository;
use trips_tests::program::run;
use trips_tests::{Event, Listener, Session};

/// Docker's MB.
const MEGABYTE: u64 = 1_000_000;

/// The services of compose.yaml under a name of their own, with a folder and a port of the test's; gone with the value.
struct Project {
    name: String,
    inbox: tempfile::TempDir,
    port: u16,
}

impl Project {
    /// Nothing runs yet.
    fn new(name: &str) -> Project {
        let inbox = tempfile::tempdir().expect("there is room for a directory");
        fs::set_permissions(inbox.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let free = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        Project {
            name: format!("trips_test_{name}"),
            port: free.local_addr().expect("it is bound").port(),
            inbox,
        }
    }

    /// `docker compose` with a password and these arguments.
    fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = compose();
        command
            .args(["--project-name", &self.name])
            .args(arguments)
            .env("POSTGRES_PASSWORD", "a secret")
            .env("TRIPS_PORT", self.port.to_string())
            .env("TRIPS_INBOX", self.inbox.path());
        command
    }

    /// Starts services and waits until they are healthy.
    fn up(&self) {
        run(&mut self.compose(&["up", "--detach", "--wait", "--wait-timeout", "120", "db"]));
    }

    fn connect(&self) -> Session {
        Session::to(&format!(
            "host=127.0.0.1 port={} user=postgres password='a secret' dbname=trips",
            self.port
        ))
    }

    /// Puts the sample into the folder as a user does.
    fn drop_sample(&self, name: &str) {
        let path = self.inbox.path().join(name);
        fs::copy(repository().join("samples/trips.csv"), &path).expect("the folder can be written");
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("it is ours");
    }

    /// The one value of what docker says of the service's container.
    fn inspect(&self, service: &str) -> Value {
        let container = text(&run(&mut self.compose(&["ps", "--quiet", service])));
        let told = text(&run(docker().args(["inspect", &container])));
        let told: Value = serde_json::from_str(&told).expect("docker prints JSON");
        told[0].clone()
    }

    /// Containers, volumes and networks of this project, one a line.
    fn things(&self) -> String {
        let label = format!("label=com.docker.compose.project={}", self.name);
        ["container", "volume", "network"]
            .map(|kind| {
                let mut list = docker();
                list.args([kind, "ls", "--quiet", "--filter", &label]);
                if kind == "container" {
                    list.arg("--all");
                }
                text(&run(&mut list))
            })
            .concat()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What is left of a test that failed; its own words matter more.
        let _ = self
            .compose(&["--profile", "*", "down", "--volumes"])
            .output();
    }
}

fn compose() -> Command {
    let words = std::env::var("COMPOSE").expect("scripts/containers.sh runs this");
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(repository());
    command
}

fn docker() -> Command {
    let mut command =
        Command::new(std::env::var("DOCKER").expect("scripts/containers.sh runs this"));
    command
        .env("DOCKER_BUILDKIT", "1")
        .current_dir(repository());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What happened, but for progress: how often that is told depends on the machine.
fn kinds(events: &[Event]) -> Vec<&str> {
    let kinds = events.iter().map(Event::kind);
    kinds.filter(|kind| *kind != "progress").collect()
}

const TRIPS: &str = "SELECT count(*) FROM trips.trip";
const AVERAGE: &str = "SELECT round(trips_weekly_average('Prague'), 2)::text";

#[test]
fn a_file_in_the_folder_is_loaded_and_heard_of_outside_and_outlives_all_but_its_volume() {
    let project = Project::new("folder");
    project.up();

    let mut listener = Listener::in_session(project.connect(), "trips_ingest");
    project.drop_sample("trips.csv");
    let events = listener.until_end();
    assert_eq!(kinds(&events), ["queued", "started", "completed"]);
    assert_eq!(events.last().map(|event| event.number("rows")), Some(1000));
    drop(listener);
    let mut session = project.connect();
    assert_eq!(session.value::<i64>(TRIPS), 1000);
    assert_eq!(session.value::<String>(AVERAGE), "3.32");
    let path: String = session.value("SELECT path FROM trips.inbox_file");
    assert_eq!(path, "/inbox/trips.csv");
    drop(session);

    // The same container again, then another one on the same volume.
    run(&mut project.compose(&["restart", "db"]));
    project.up();
    assert_eq!(project.connect().value::<i64>(TRIPS), 1000);
    run(&mut project.compose(&["down"]));
    project.up();
    let mut session = project.connect();
    assert_eq!(session.value::<String>(AVERAGE), "3.32");
    assert_eq!(
        session.value::<i64>("SELECT count(*) FROM trips.ingest"),
        1,
        "the file was loaded once"
    );
    drop(session);

    assert_ne!(project.things(), "");
    run(&mut project.compose(&["down", "--volumes"]));
    assert_eq!(project.things(), "");
}

#[test]
fn the_client_tells_of_loads_and_the_server_can_do_nothing_else() {
    let project = Project::new("locked");
    project.up();
    run(&mut project.compose(&["--profile", "watch", "up", "--detach", "watch"]));
    let mut listener = Listener::in_session(project.connect(), "trips_ingest");
    project.drop_sample("watched.csv");
    listener.until_end();
    let mut log = String::new();
    for _ in 0..50 {
        log = text(&run(&mut project.compose(&["logs", "watch"])));
        if log.contains("watched.csv") && log.contains("1,000") {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(
        log.contains("watched.csv") && log.contains("1,000"),
        "{log}"
    );

    for service in ["db", "watch"] {
        let told = project.inspect(service);
        let host = &told["HostConfig"];
        assert_eq!(host["ReadonlyRootfs"], true, "{service}");
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]), "{service}");
        assert_eq!(
            host["SecurityOpt"],
            serde_json::json!(["no-new-privileges:true"]),
            "{service}"
        );
        assert_eq!(told["Config"]["User"], "999:999", "{service}");
    }
    let within = |command: &str| {
        project
            .compose(&["exec", "-T", "db", "sh", "-c", command])
            .output()
            .expect("compose runs")
    };
    assert_eq!(text(&within("id -un")), "postgres");
    assert_eq!(
        text(&within("grep CapEff /proc/1/status")),
        "CapEff:\t0000000000000000"
    );
    for place in ["/usr/lib/postgresql/x", "/etc/x", "/inbox/x"] {
        assert!(
            !within(&format!("touch {place}")).status.success(),
            "{place} can be written"
        );
    }
    assert!(text(&within("trips --version")).starts_with("trips "));
    // What listens is published for this machine alone.
    let published = &project.inspect("db")["NetworkSettings"]["Ports"]["5432/tcp"];
    assert_eq!(published[0]["HostIp"], "127.0.0.1");
    assert_eq!(published.as_array().map(Vec::len), Some(1));
}

#[test]
fn without_a_password_nothing_starts() {
    let output = compose()
        .args(["--project-name", "trips_test_open", "up", "--detach"])
        .env_remove("POSTGRES_PASSWORD")
        .output()
        .expect("compose runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("POSTGRES_PASSWORD") && said.contains("set it in the environment or in .env"),
        "{said}"
    );
}

#[test]
fn the_image_adds_less_than_15_megabytes_to_postgresql_with_postgis() {
    let added = std::env::var("TRIPS_IMAGE_ADDED").expect("scripts/containers.sh runs this");
    let added: u64 = added.parse().expect("a number of bytes");
    assert!(added > 0 && added < 15 * MEGABYTE, "{added} bytes");
}

#[test]
fn the_stage_of_artifacts_is_an_extension_image_of_cloudnativepg() {
    let major = std::env::var("PG_MAJOR").expect("scripts/containers.sh runs this");
    run(docker()
        .args([
            "build",
            "--quiet",
            "--file",
            "docker/Dockerfile",
            "--target",
            "artifacts",
            "--tag",
            "trips_ext-files",
        ])
        .args(["--build-arg", &format!("PG_MAJOR={major}"), "."]));
    let container = text(&run(docker().args(["create", "trips_ext-files", "none"])));
    let archive = tempfile::NamedTempFile::new().expect("there is room for a file");
    let path = archive.path().to_str().expect("its name is text");
    run(docker().args(["export", "--output", path, &container]));
    run(docker().args(["rm", &container]));
    let listed = text(&run(Command::new("tar").args(["-tf", path])));
    // What the engine itself puts into every container is left out.
    let files: Vec<&str> = listed
        .lines()
        .filter(|name| {
            !name.ends_with('/')
                && !["dev/", "etc/", ".dockerenv"]
                    .iter()
                    .any(|own| name.starts_with(own))
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        files,
        [
            "lib/trips_ext.so",
            "licenses/trips_ext/LICENSE",
            &format!("share/extension/trips_ext--{version}.sql"),
            "share/extension/trips_ext.control",
        ]
    );
}
