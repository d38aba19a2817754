//! `trips` connects as psql does: what names a server leads to it, what is asked of encryption is kept, and what goes
//! wrong is told with what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use trips_tests::cluster::cluster;
use trips_tests::program::run as run_program;
use trips_tests::{Database, PrivateCluster, Role, Session};

use crate::common::{Running, run, trips};

/// A word of the conninfo of the suites' cluster.
fn word(keyword: &str) -> String {
    let words = cluster().conninfo.split_whitespace();
    let mut value = words.filter_map(|word| word.strip_prefix(&format!("{keyword}=")));
    value.next_back().unwrap().to_owned()
}

/// Starts a watch, which must come to listen.
#[track_caller]
fn listens(command: &mut Command) -> Running {
    let running = Running::start(command.arg("watch"));
    running.notes.until("listening on ");
    running
}

/// Starts a watch, which must fail; what it says.
#[track_caller]
fn fails(command: &mut Command) -> String {
    let (status, _, errors) = run(command.arg("watch"));
    assert_eq!(status, Some(1), "{errors}");
    errors
}

/// How many sessions of a database meet a condition on `pg_stat_activity`.
fn sessions(session: &mut Session, condition: &str) -> i64 {
    session.count(&format!(
        "pg_stat_activity WHERE datname = current_database() AND {condition}"
    ))
}

fn write_private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

mod what_names_a_server_leads_to_it {
    use super::*;

    /// A test's home directory, database and role.
    struct Place {
        home: TempDir,
        role: Role,
        database: Database,
        name: String,
    }

    fn place() -> Place {
        let role = Role::new("");
        let database = Database::new();
        let name = database.connect().value("SELECT current_database()::text");
        Place {
            home: TempDir::new().unwrap(),
            role,
            database,
            name,
        }
    }

    impl Place {
        #[track_caller]
        fn assert_reached_by(&self, command: &mut Command) {
            let _watch = listens(command);
            let mut session = self.database.connect();
            let as_role = format!("usename = '{}'", self.role.name);
            assert_eq!(sessions(&mut session, &as_role), 1, "{command:?}");
        }

        fn trips(&self) -> Command {
            trips(self.home.path())
        }
    }

    #[test]
    fn options() {
        let place = place();
        let options = [
            ["-h", &word("host")],
            ["-p", &word("port")],
            ["-U", &place.role.name],
            ["-d", &place.name],
        ];
        place.assert_reached_by(place.trips().args(options.concat()));
    }

    #[test]
    fn the_environment() {
        let place = place();
        let mut command = place.trips();
        command
            .env("PGHOST", word("host"))
            .env("PGPORT", word("port"));
        command
            .env("PGUSER", &place.role.name)
            .env("PGDATABASE", &place.name);
        place.assert_reached_by(&mut command);
        // An option goes before a variable.
        command = place.trips();
        command
            .env("PGHOST", word("host"))
            .env("PGPORT", word("port"));
        command
            .env("PGUSER", "nobody")
            .env("PGDATABASE", &place.name);
        command.args(["-U", &place.role.name]);
        place.assert_reached_by(&mut command);
    }

    #[test]
    fn a_uri_and_a_connection_string() {
        let place = place();
        let (host, port) = (word("host").replace('/', "%2F"), word("port"));
        let Place { role, name, .. } = &place;
        let uri = format!("postgresql://{}@{host}:{port}/{name}", role.name);
        place.assert_reached_by(place.trips().args(["-d", &uri]));
        let uri = format!(
            "postgres:///{name}?host={host}&port={port}&user={}",
            role.name
        );
        // It goes before the options beside it, as in psql.
        place.assert_reached_by(place.trips().args(["-d", &uri, "-U", "nobody", "-p", "1"]));
        let pairs = format!(
            "host='{}' port = {port} user={} dbname='{name}'",
            word("host"),
            role.name
        );
        place.assert_reached_by(place.trips().args(["-d", &pairs]));
    }

    #[test]
    fn a_service() {
        let place = place();
        let section = format!(
            "[other]\nport=1\n[city]\nhost={}\nport={}\nuser={}\ndbname={}\n",
            word("host"),
            word("port"),
            place.role.name,
            place.name
        );
        fs::write(place.home.path().join(".pg_service.conf"), &section).unwrap();
        place.assert_reached_by(place.trips().args(["-d", "service=city"]));
        // A service goes before the environment.
        let mut command = place.trips();
        command.env("PGSERVICE", "city").env("PGPORT", "1");
        place.assert_reached_by(&mut command);
        let elsewhere = TempDir::new().unwrap();
        let file = elsewhere.path().join("pg_service.conf");
        fs::rename(place.home.path().join(".pg_service.conf"), &file).unwrap();
        for (variable, value) in [
            ("PGSERVICEFILE", file.as_path()),
            ("PGSYSCONFDIR", elsewhere.path()),
        ] {
            let mut command = place.trips();
            command.env(variable, value).env("PGSERVICE", "city");
            place.assert_reached_by(&mut command);
        }
    }

    #[test]
    fn the_second_of_two_hosts_where_the_first_is_not_there() {
        let place = place();
        let hosts = format!(
            "host=/nowhere,{} port=1,{} dbname={} user={}",
            word("host"),
            word("port"),
            place.name,
            place.role.name
        );
        place.assert_reached_by(place.trips().args(["-d", &hosts]));
        let primary = format!("{hosts} target_session_attrs=primary");
        place.assert_reached_by(place.trips().args(["-d", &primary]));
        let standby = format!("{hosts} target_session_attrs=standby");
        let errors = fails(place.trips().args(["-d", &standby]));
        assert!(
            errors.contains("server is not in hot standby mode"),
            "{errors}"
        );
    }

    #[test]
    fn settings_of_the_session() {
        let place = place();
        let mut command = place.trips();
        command
            .env("PGAPPNAME", "mine")
            .env("PGOPTIONS", "-c work_mem=123kB");
        let conninfo = place.database.conninfo();
        let _watch = listens(command.args(["-d", &conninfo]));
        let mut session = place.database.connect();
        assert_eq!(sessions(&mut session, "application_name = 'mine'"), 1);
        let mut command = place.trips();
        command.env("PGOPTIONS", "-c no_such_setting=1");
        let errors = fails(command.args(["-d", &conninfo]));
        assert!(errors.contains("no_such_setting"), "{errors}");
    }
}

mod what_goes_wrong_is_told_with_what_to_do {
    use super::*;

    #[track_caller]
    fn assert_told(arguments: &[&str], expected: &[&str]) {
        let home = TempDir::new().unwrap();
        let errors = fails(trips(home.path()).args(arguments));
        for expected in expected {
            assert!(errors.contains(expected), "{expected}: {errors}");
        }
    }

    #[test]
    fn nobody_is_there() {
        assert_told(
            &["-h", "/nowhere", "-p", "7"],
            &[
                "connection to server on socket \"/nowhere/.s.PGSQL.7\" failed: No such file or directory",
                "HINT:  Is the server running",
            ],
        );
        assert_told(
            &["-h", "127.0.0.1", "-p", "1"],
            &[
                "connection to server at \"127.0.0.1\", port 1 failed: Connection refused",
                "listen_addresses",
            ],
        );
        assert_told(
            &["-h", "no.such.invalid"],
            &["Is \"no.such.invalid\" the right name?"],
        );
    }

    #[test]
    fn there_is_no_such_database_or_role() {
        let conninfo = &cluster().conninfo;
        assert_told(
            &["-d", &format!("{conninfo} dbname=nowhere")],
            &[
                "FATAL: database \"nowhere\" does not exist",
                "trips --dbname NAME",
            ],
        );
        assert_told(
            &["-d", &format!("{conninfo} user=nobody_here")],
            &[
                "role \"nobody_here\" does not exist",
                "trips --username NAME",
            ],
        );
    }

    #[test]
    fn what_cannot_be_understood() {
        for (conninfo, told) in [
            ("hots=h", "invalid connection option \"hots\""),
            (
                "sslmode=often",
                "It is one of disable, allow, prefer, require, verify-ca, verify-full.",
            ),
            ("sslcrl=/f", "connection option \"sslcrl\" is not supported"),
            ("host=h port=x", "invalid port number: \"x\""),
            ("service=none", "definition of service \"none\" not found"),
            (
                "sslrootcert=system sslmode=require",
                "weak sslmode \"require\"",
            ),
            ("host=h sslmode=verify-full", "root.crt\" does not exist"),
        ] {
            assert_told(&["-d", conninfo], &[told]);
        }
    }

    #[test]
    fn the_command_line_is_wrong() {
        let home = TempDir::new().unwrap();
        let (status, _, errors) = run(trips(home.path()).args(["watch", "0"]));
        assert_eq!(status, Some(2), "{errors}");
    }
}

mod passwords_and_encryption {
    use super::*;

    /// A cluster that listens on TCP, with a certificate, and lets roles in by different ways.
    struct Guarded {
        cluster: PrivateCluster,
        home: TempDir,
        address: String,
    }

    /// The port of all clusters that scripts/cluster.sh makes.
    const PORT: &str = "54320";

    const HBA: &str = "\
local all all trust
hostssl all encrypted 127.0.0.0/8 trust
hostnossl all open 127.0.0.0/8 trust
hostssl all certified 127.0.0.0/8 cert
host all secret 127.0.0.0/8 scram-sha-256
host all postgres 127.0.0.0/8 trust
";

    impl Guarded {
        /// `number` is that of the test: each has an address of its own, so all may use the same port.
        fn new(number: u8, ssl: bool) -> Guarded {
            let [.., high, low] = std::process::id().to_be_bytes();
            let address = format!("127.{number}.{high}.{}", low.clamp(1, 254));
            let settings = format!("fsync = off\nlisten_addresses = '{address}'\n");
            let mut cluster = PrivateCluster::new(&settings);
            let mut session = cluster.connect();
            session.run(
                "CREATE ROLE encrypted LOGIN; CREATE ROLE open LOGIN; CREATE ROLE certified LOGIN;
                 SET password_encryption = 'scram-sha-256'; CREATE ROLE secret LOGIN PASSWORD 'pass:w\\ord';
                 GRANT USAGE ON SCHEMA trips TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA trips TO PUBLIC",
            );
            let home = TempDir::new().unwrap();
            make_certificates(home.path());
            let into_data = |session: &mut Session, name: &str, content: &str| {
                let content = content.replace('\'', "''");
                session.run(&format!(
                    "COPY (SELECT line FROM regexp_split_to_table('{content}', '\\n') line) TO PROGRAM 'umask 077; cat > {name}'"
                ));
            };
            for name in ["server.crt", "server.key", "root.crt"] {
                let content = fs::read_to_string(home.path().join(name)).unwrap();
                into_data(&mut session, name, &content);
            }
            into_data(&mut session, "pg_hba.conf", HBA);
            if ssl {
                for setting in ["ssl = on", "ssl_ca_file = 'root.crt'"] {
                    session.run(&format!("ALTER SYSTEM SET {setting}"));
                }
            }
            drop(session);
            cluster.stop();
            cluster.start();
            Guarded {
                cluster,
                home,
                address,
            }
        }

        fn trips(&self, user: &str, more: &str) -> Command {
            let mut command = trips(self.home.path());
            let address = &self.address;
            let conninfo = format!(
                "host=localhost hostaddr={address} port={PORT} dbname=postgres user={user} {more}"
            );
            command.args(["--no-password", "-d", &conninfo]);
            command
        }

        /// Whether the session of a watch as this role is encrypted.
        #[track_caller]
        fn is_encrypted(&self, user: &str, more: &str) -> bool {
            let name = format!("application_name=w{}", user.len());
            let _watch = listens(&mut self.trips(user, &format!("{more} {name}")));
            let mut session = self.cluster.connect();
            session.value(&format!(
                "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                  WHERE a.usename = '{user}' AND a.application_name LIKE 'w%' ORDER BY a.backend_start DESC LIMIT 1"
            ))
        }

        fn certificate(&self, name: &str) -> String {
            self.home.path().join(name).to_str().unwrap().to_owned()
        }

        #[track_caller]
        fn refused(&self, user: &str, more: &str, expected: &str) {
            let errors = fails(&mut self.trips(user, more));
            assert!(errors.contains(expected), "{more}: {expected}: {errors}");
        }
    }

    /// An authority; certificates of it for localhost, for another host, and for the role `certified`.
    fn make_certificates(directory: &Path) {
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            run_program(command.current_dir(directory).args(arguments.split(' ')));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout root.key -out root.crt -days 2 -subj /CN=authority"
        ));
        openssl(&format!(
            "req -x509 {key} -keyout stranger.key -out stranger.crt -days 2 -subj /CN=stranger"
        ));
        for (name, subject) in [("server", "localhost"), ("certified", "certified")] {
            openssl(&format!(
                "req -x509 {key} -CA root.crt -CAkey root.key -keyout {name}.key -out {name}.crt -days 2 -subj /CN={subject} \
                 -addext subjectAltName=DNS:{subject} -addext basicConstraints=critical,CA:FALSE"
            ));
        }
    }

    #[test]
    fn sslmode_is_kept() {
        let guarded = Guarded::new(61, true);
        let root = format!("sslrootcert={}", guarded.certificate("root.crt"));
        let stranger = format!("sslrootcert={}", guarded.certificate("stranger.crt"));
        for (more, encrypted) in [
            ("sslmode=disable".to_owned(), false),
            ("sslmode=allow".to_owned(), false),
            (String::new(), true),
            ("sslmode=prefer".to_owned(), true),
            ("sslmode=require".to_owned(), true),
            (format!("sslmode=require {root}"), true),
            (format!("sslmode=verify-ca {root}"), true),
            (format!("sslmode=verify-full {root}"), true),
            // Encryption is given up where the certificate is refused, as libpq does.
            (format!("sslmode=prefer {stranger}"), false),
        ] {
            assert_eq!(guarded.is_encrypted("postgres", &more), encrypted, "{more}");
        }
        // Each of two roles is let in by one way alone.
        assert!(guarded.is_encrypted("encrypted", "sslmode=allow"));
        assert!(!guarded.is_encrypted("open", "sslmode=prefer"));
        guarded.refused("encrypted", "sslmode=disable", "sslmode=require");
        guarded.refused("open", "sslmode=require", "no pg_hba.conf entry");
        let signed = "signed by nobody that is trusted";
        for mode in ["require", "verify-ca", "verify-full"] {
            guarded.refused("postgres", &format!("sslmode={mode} {stranger}"), signed);
        }
        // The certificate is of localhost.
        let other = format!("sslmode=verify-full {root} host=127.0.0.1");
        guarded.refused("postgres", &other, "not of host \"127.0.0.1\"");
        assert!(guarded.is_encrypted(
            "postgres",
            &format!("sslmode=verify-ca {root} host=127.0.0.1")
        ));
        // The files of the home directory are found.
        fs::create_dir(guarded.home.path().join(".postgresql")).unwrap();
        let of_home = guarded.home.path().join(".postgresql/root.crt");
        fs::copy(guarded.certificate("stranger.crt"), &of_home).unwrap();
        guarded.refused("postgres", "sslmode=require", signed);
        fs::copy(guarded.certificate("root.crt"), &of_home).unwrap();
        assert!(guarded.is_encrypted("postgres", "sslmode=verify-full"));
    }

    #[test]
    fn a_certificate_that_its_server_has_signed_is_trusted_where_it_is_the_root() {
        let guarded = Guarded::new(62, true);
        let mut session = guarded.cluster.connect();
        for file in ["crt", "key"] {
            let content =
                fs::read_to_string(guarded.certificate(&format!("stranger.{file}"))).unwrap();
            session.run(&format!(
                "COPY (SELECT line FROM regexp_split_to_table('{content}', '\\n') line) TO PROGRAM 'cat > server.{file}'"
            ));
        }
        session.run("SELECT pg_reload_conf()");
        let own = format!(
            "sslmode=verify-ca sslrootcert={}",
            guarded.certificate("stranger.crt")
        );
        let other = format!(
            "sslmode=verify-ca sslrootcert={}",
            guarded.certificate("root.crt")
        );
        trips_tests::database::eventually("the server has its new certificate", || {
            run(guarded
                .trips("postgres", &other)
                .arg("watch")
                .arg("--until-done")
                .arg("1"))
            .0 == Some(1)
        });
        assert!(guarded.is_encrypted("postgres", &own));
    }

    #[test]
    fn a_role_is_let_in_by_its_certificate() {
        let guarded = Guarded::new(63, true);
        guarded.refused("certified", "sslmode=require", "certificate");
        let own = format!(
            "sslmode=require sslcert={} sslkey={}",
            guarded.certificate("certified.crt"),
            guarded.certificate("certified.key")
        );
        assert!(guarded.is_encrypted("certified", &own));
        let key = guarded.certificate("certified.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
        guarded.refused("certified", &own, "has group or world access");
    }

    #[test]
    fn a_server_without_encryption_serves_those_who_do_not_insist() {
        let guarded = Guarded::new(64, false);
        assert!(!guarded.is_encrypted("postgres", "sslmode=prefer"));
        guarded.refused("postgres", "sslmode=require", "server does not support SSL");
    }

    #[test]
    fn a_password_comes_from_its_file_or_the_environment_and_is_bound_to_the_channel() {
        let guarded = Guarded::new(65, true);
        let passfile = guarded.home.path().join(".pgpass");
        guarded.refused("secret", "", "no password supplied");
        let right = format!("*:1:*:*:no\nlocalhost:{PORT}:postgres:secret:pass\\:w\\\\ord\n",);
        write_private(&passfile, &right);
        for binding in ["disable", "prefer", "require"] {
            let more = format!("channel_binding={binding}");
            assert!(guarded.is_encrypted("secret", &more), "{binding}");
        }
        guarded.refused(
            "secret",
            "sslmode=disable channel_binding=require",
            "channel binding",
        );
        // A file that others may read is not used, and that is said.
        fs::set_permissions(&passfile, fs::Permissions::from_mode(0o644)).unwrap();
        guarded.refused("secret", "", "has group or world access");
        write_private(&passfile, "*:*:*:*:wrong\n");
        fs::set_permissions(&passfile, fs::Permissions::from_mode(0o600)).unwrap();
        let told = format!(
            "HINT:  The password was taken from the file \"{}\".",
            passfile.display()
        );
        guarded.refused("secret", "", &told);
        guarded.refused(
            "secret",
            "",
            "password authentication failed for user \"secret\"",
        );
        let mut command = guarded.trips("secret", "");
        let _watch = listens(command.env("PGPASSWORD", "pass:w\\ord"));
        let other = guarded.home.path().join("other");
        write_private(&other, &right);
        let _other = listens(guarded.trips("secret", "").env("PGPASSFILE", &other));
        // A password in the connection string goes before the file.
        guarded.refused("secret", "password=no", "PGPASSWORD");
    }

    #[test]
    fn a_password_is_asked_for_once_and_kept_for_the_next_connection() {
        let mut guarded = Guarded::new(66, true);
        let address = &guarded.address;
        let program = env!("CARGO_BIN_EXE_trips");
        let conninfo = format!("host={address} port={PORT} dbname=postgres user=secret");
        let watch = format!("{program} watch -d '{conninfo}'");
        let typed = format!(
            "(sleep 2; echo 'pass:w\\ord'; sleep 600) | script -qfec \"{watch}\" /dev/null"
        );
        let mut command = Command::new("bash");
        command
            .args(["-c", &typed])
            .env("HOME", guarded.home.path());
        command.env("TERM", "dumb");
        let watch = Running::start(&mut command);
        watch.lines.until("listening on");
        guarded.cluster.stop();
        watch.lines.until("connection lost");
        guarded.cluster.start();
        let lines = watch.lines.until("connected again");
        assert!(!lines.concat().contains("Password for user"), "{lines:?}");
    }
}
