//! `setup.sh`: what it cannot do without is said in one line, and a Go that is too old is no obstacle.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// What the script and its stand-ins call.
const PROGRAMS: [&str; 26] = [
    "bash",
    "cc",
    "make",
    "git",
    "curl",
    "setpriv",
    "flock",
    "setsid",
    "sha256sum",
    "shellcheck",
    "dirname",
    "id",
    "sed",
    "sort",
    "head",
    "uname",
    "mktemp",
    "find",
    "chmod",
    "ln",
    "rm",
    "mkdir",
    "cat",
    "sh",
    "env",
    "tr",
];

/// A machine that has those, and what else is put there.
fn machine(folder: &Path) {
    fs::create_dir(folder.join("bin")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for program in PROGRAMS {
        let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists());
        symlink(
            found.unwrap_or_else(|| panic!("{program} is missing: run setup.sh")),
            folder.join("bin").join(program),
        )
        .unwrap();
    }
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn setup(folder: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup.sh");
    let mut command = Command::new(script);
    command.env_clear().env("PATH", folder.join("bin")).env("HOME", folder);
    command.env("SLIPWAY_CACHE", folder.join("cache")).output().unwrap()
}

/// A Go that says which it is, and fetches one that says it is another.
fn go(folder: &Path, version: &str, sums: &str, fetches: &str) {
    let text = format!(
        r#"case "$1 $2" in
version*) echo "go version go{version} linux/amd64" ;;
"env GOSUMDB") echo {sums} ;;
"mod download")
  dir=$GOMODCACHE/$4; mkdir -p "$dir/bin" "$dir/pkg/tool" "$GOMODCACHE/cache"
  printf '#!/bin/sh\necho go version go{fetches} linux/amd64\n' >"$dir/bin/go"
  printf '{{\n\t"Dir": "%s"\n}}\n' "$dir" ;;
esac"#
    );
    script(folder, "go", &text);
}

#[test]
fn without_rust_the_one_prerequisite_is_named_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    machine(folder.path());
    go(folder.path(), "1.99.0", "sum.golang.org", "none");
    let output = setup(folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("Rust is the one prerequisite: install rustup ("), "{said}");
}

#[test]
fn a_go_that_is_too_old_fetches_the_one_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    machine(folder.path());
    script(folder.path(), "cargo", "echo cargo");
    let asked = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane/go.mod")).unwrap();
    let asked = asked.lines().find_map(|line| line.strip_prefix("go ")).unwrap().to_owned();
    go(folder.path(), "1.19.8", "sum.golang.org", &asked);
    let output = setup(folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("installing Go {asked}")), "{said}");
    assert!(folder.path().join("cache/tools/go/bin/go").exists());
    // The second time there is nothing to do, and nothing to say.
    let again = setup(folder.path());
    assert_eq!((again.status.code(), String::from_utf8(again.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_checked_or_is_another_go_is_not_taken() {
    for (sums, fetches, words) in [("off", "1.99.0", "GOSUMDB is off"), ("sum.golang.org", "1.2", "does not run as Go")]
    {
        let folder = tempfile::tempdir().unwrap();
        machine(folder.path());
        script(folder.path(), "cargo", "echo cargo");
        go(folder.path(), "1.19.8", sums, fetches);
        let output = setup(folder.path());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{said}");
    }
}
