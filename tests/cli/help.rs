//! Every command explains itself.

use super::binary::{say, slipway};

const COMMANDS: [&str; 11] = [
    "",
    "controller",
    "manifests",
    "kubeconfig",
    "generate",
    "audit",
    "audit verify",
    "audit export",
    "audit head",
    "audit log",
    "audit adopt",
];

#[tokio::test]
async fn every_command_has_help() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let help = say(&format!("{command} {flag}")).await.done();
            assert!(help.contains(&format!("Usage: slipway {command}").trim_end().to_owned()), "{command}: {help}");
        }
    }
    assert!(say("--version").await.done().starts_with("slipway "));
}

#[tokio::test]
async fn every_command_is_in_the_help_of_the_one_above_it_and_in_this_list() {
    for above in ["", "audit"] {
        let help = say(&format!("{above} --help")).await.done();
        let (_, listed) = help.split_once("Commands:\n").unwrap();
        let (listed, _) = listed.split_once("\n\n").unwrap();
        let entries = listed.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        for name in entries.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            let command = format!("{above} {name}");
            assert!(COMMANDS.contains(&command.trim()), "{command} is not tested here");
        }
    }
}

#[tokio::test]
async fn the_help_of_adopt_says_what_it_means() {
    let help = say("audit adopt --help").await.done();
    for words in ["The side that knows more wins", "Nothing is overwritten", "is itself an event", "--lost-head"] {
        assert!(help.replace('\n', " ").contains(words), "{words}: {help}");
    }
}

#[tokio::test]
async fn a_wrong_or_missing_flag_is_named() {
    let head = format!("1:{}", "a".repeat(64));
    for (line, words) in [
        ("deploy", "'deploy'"),
        ("controller", "--database"),
        ("controller --database a --listen here", "--listen"),
        ("controller --database a --lease-seconds 1", "--lease-seconds"),
        ("controller --database a --context b", "--kubeconfig"),
        ("controller --database a --databse b", "--databse"),
        ("audit verify", "--database"),
        ("audit verify --database a --export b", "--export"),
        ("audit verify --database a --head 1", "not a head"),
        ("audit verify --export a --checkpoint-key b", "--checkpoint-key"),
        ("audit export", "--database"),
        ("audit head", "--database"),
        ("audit log", "--database"),
        ("audit log --database a --limit 0", "--limit"),
        ("audit adopt --database a --resource u --object-seq 1 --actor bob", "--note"),
        ("audit adopt --database a --resource u --object-seq 1 --note why", "--actor"),
        ("audit adopt --database a --actor bob --note why", "--resource"),
        ("audit adopt --database a --resource u --actor bob --note why", "--object-seq"),
        ("audit adopt --database a --resource u --object-seq x --actor bob --note why", "--object-seq"),
        (
            &format!("audit adopt --database a --resource u --object-seq 1 --lost-head {head} --actor b --note c"),
            "--lost-head",
        ),
        (&format!("audit adopt --database a --lost-head {head} --status failed --actor b --note c"), "--status"),
        ("audit adopt --database a --resource u --object-seq 1 --kind deployment --actor b --note c", "--name"),
    ] {
        let said = say(line).await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}: {}", said.stderr);
        assert!(said.stderr.starts_with("error: ") && said.stderr.contains(words), "{line}: {}", said.stderr);
    }
    for (flag, value, words) in [("--note", " ", "note must not be empty"), ("--actor", "", "actor must not be empty")]
    {
        let other = if flag == "--note" { ["--actor", "bob"] } else { ["--note", "why"] };
        let fixed = ["audit", "adopt", "--database", "a", "--resource", "u", "--object-seq", "1", flag, value];
        let said = slipway(fixed.into_iter().chain(other)).await;
        assert!(said.code == Some(2) && said.stderr.contains(words), "{}", said.stderr);
    }
}
