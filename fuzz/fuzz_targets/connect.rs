//! Any text: what the client reads as a connection string says the same when it is written plainly, in both forms.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../cli/src/connect/conninfo.rs"]
#[allow(dead_code)]
mod conninfo;

/// The client's error, as far as a connection string needs one.
mod error {
    #[derive(Debug)]
    #[allow(dead_code)]
    pub struct Error(String);

    impl Error {
        pub fn new(message: impl Into<String>) -> Error {
            Error(message.into())
        }

        pub fn hint(self, _: impl Into<String>) -> Error {
            self
        }
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn percent(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fuzz_target!(|text: &str| {
    let is_uri = text.starts_with("postgresql://") || text.starts_with("postgres://");
    assert_eq!(conninfo::is_conninfo(text), is_uri || text.contains('='));
    let Ok(pairs) = conninfo::parse(text) else {
        return;
    };
    if !is_uri {
        // The blank in front keeps a keyword from being taken for a URI's scheme.
        let plain: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("{key} = {}", quoted(value)))
            .collect();
        assert_eq!(
            conninfo::parse(&format!(" {}", plain.join("\n"))).expect("plain pairs"),
            pairs
        );
    }
    // A NUL cannot be written there, and JDBC's word is another one.
    let is_odd = |(key, value): &(String, String)| {
        key.contains('\0') || value.contains('\0') || (key == "ssl" && value == "true")
    };
    if !pairs.iter().any(is_odd) {
        let plain: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("{}={}", percent(key), percent(value)))
            .collect();
        let uri = format!("postgres://?{}", plain.join("&"));
        assert_eq!(conninfo::parse(&uri).expect("a plain URI"), pairs);
    }
});
