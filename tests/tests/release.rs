//! What META.json tells PGXN is what the source is. (Its form is that of the specification 1.0.0, checked by `pgxn_meta META.json` for a
//! release.)

use std::fs;

use serde_json::Value;
use trips_tests::files::repository;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn pgxn_is_told_the_version_the_files_and_the_requirements_of_the_source() {
    let meta: Value = serde_json::from_str(&read("META.json")).expect("META.json is JSON");
    let provided = &meta["provides"]["trips_ext"];
    assert_eq!(meta["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(provided["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(meta["license"], "postgresql");
    for file in ["file", "docfile"] {
        let file = provided[file].as_str().expect("a path");
        assert!(repository().join(file).is_file(), "{file}");
    }

    let control = read("trips_ext.control");
    assert!(control.contains("requires = 'postgis'"), "{control}");
    let requires = &meta["prereqs"]["runtime"]["requires"];
    assert!(requires["postgis"].is_string());
    let oldest = read("Cargo.toml")
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pg")?
                .split(' ')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .min();
    let oldest = oldest.expect("Cargo.toml has features pg15 and others");
    assert_eq!(requires["PostgreSQL"], format!("{oldest}.0.0"));
}
