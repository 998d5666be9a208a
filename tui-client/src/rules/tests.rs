//! Rules that leave things out, by themselves and held against what git says of them.

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

#[test]
fn droppings_of_programs_are_left_out_wherever_they_are() {
    let rules = Rules::default();
    for text in [
        "a/.~lock.report.odt#",
        "~$report.docx",
        "x/.#notes",
        "#notes#",
        ".notes.swp",
        "a/b/.DS_Store",
    ] {
        assert!(rules.ignores(&path(text), false), "{text}");
    }
    for text in [
        "report.odt",
        "a/notes~",
        "swp",
        "4913",
        ".gitignore",
        ".holdfastignore",
        "# notes",
    ] {
        assert!(!rules.ignores(&path(text), false), "{text}");
    }
}

#[test]
fn the_folders_own_rules_leave_out_and_let_in() {
    let (rules, bad_lines) = Rules::parse(b"# comment\ntarget/\n/top\n!desktop.ini\n*.tmp\n");
    assert!(bad_lines.is_empty());
    assert!(rules.ignores(&path("a/target"), true));
    assert!(!rules.ignores(&path("a/target"), false));
    assert!(rules.ignores_above(&path("a/target/b/c")));
    assert!(!rules.ignores_above(&path("a/b")));
    assert!(rules.ignores(&path("top"), false) && !rules.ignores(&path("a/top"), false));
    assert!(!rules.ignores(&path("desktop.ini"), false));
    assert!(!rules.ignores(&RelPath::root(), true));
}

#[test]
fn a_line_that_can_match_nothing_is_named_and_the_others_count() {
    let (rules, bad_lines) = Rules::parse(b"[ab\na\\\n*.tmp\n");
    assert_eq!(bad_lines.len(), 2, "{bad_lines:?}");
    assert!(rules.ignores(&path("x.tmp"), false));
}

#[test]
fn the_file_with_the_rules_is_never_left_out() {
    let (rules, _) = Rules::parse(b"*\n!*/\n!*.md\n.holdfastignore\n");
    assert!(!rules.ignores(&rules_path(), false));
    assert!(rules.ignores(&path("x"), false) && !rules.ignores(&path("x.md"), false));
    assert!(rules.ignores(&path("a/.holdfastignore"), false));
}

#[test]
fn a_pattern_that_could_be_read_in_many_ways_is_matched_in_time() {
    let line = [&b"**/*a".repeat(60)[..], b"/b"].concat();
    let (rules, _) = Rules::parse(&line);
    let deep = vec!["a".repeat(200); 15].join("/");
    assert!(!rules.ignores(&path(&deep), false));
}

#[test]
fn what_is_no_regular_file_holds_no_rules_and_those_read_last_count() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join(RULES_NAME);
    let root = Root::open(folder.path()).unwrap();
    let load = || Rules::load(&root).unwrap();
    assert!(load().1.is_none());
    std::fs::create_dir(&at).unwrap();
    let (rules, trouble) = load();
    assert!(!rules.ignores(&path("secret"), false), "nothing was read before");
    assert!(trouble.is_some());
    std::fs::remove_dir(&at).unwrap();
    std::fs::write(&at, "secret\n").unwrap();
    assert!(load().1.is_none());
    std::fs::remove_file(&at).unwrap();
    std::fs::create_dir(&at).unwrap();
    let (rules, trouble) = load();
    assert!(rules.ignores(&path("secret"), false));
    assert!(trouble.is_some_and(|trouble| trouble.what.contains("no regular file")));
    std::fs::remove_dir(&at).unwrap();
    assert!(
        !load().0.ignores(&path("secret"), false),
        "there are no rules any more"
    );
}

#[cfg(unix)]
mod as_git {
    //! Rules that were made up, held against what `git check-ignore` says of them.

    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// Directories, with a `/` at the end, and files.
    const TREE: &[&str] = &[
        "a",
        "ab",
        "abc",
        "b",
        "c.txt",
        "a{b",
        "a{b,c}",
        "[abc",
        "a b",
        "a ",
        "#a",
        "!a",
        "a\\b",
        "\\",
        "*",
        "**",
        "\u{e9}",
        "-",
        "]",
        "^",
        "a\t",
        "a\r",
        "A",
        "7",
        "d/",
        "d/a",
        "d/ab",
        "d/d/",
        "d/d/a",
        "d/d/c.txt",
        "d/d/d/",
        "d/d/d/b",
        "d/a b",
        "e/",
        "e/a/",
        "e/a/b",
        "e/a/d/",
        "e/a/d/a",
        "e/b/",
        "e/b/a",
        "e/[abc",
        "e/a{b",
        "ae/",
        "ae/d/",
        "ae/d/a",
        "d e/",
        "d e/a",
    ];
    /// What lines are made of.
    const PARTS: &[&str] = &[
        "a",
        "a",
        "b",
        "c",
        "d",
        "d",
        "e",
        "/",
        "/",
        "/",
        "*",
        "*",
        "**",
        "**/",
        "/**",
        "/**/",
        "?",
        "[",
        "]",
        "[a-c]",
        "[!a]",
        "[^b]",
        "[]a]",
        "[[:alpha:]]",
        "[[:digit:]]",
        "[[:x:]]",
        "[a-",
        "[\\]]",
        "[/]",
        "\\",
        "\\a",
        "\\*",
        "\\ ",
        " ",
        " ",
        "!",
        "#",
        "{",
        "}",
        ",",
        "{b,c}",
        ".txt",
        "c.txt",
        "\u{e9}",
        "\t",
        "\r",
        "-",
        "\u{feff}",
        "A",
    ];

    static FOLDER: LazyLock<Option<Mutex<tempfile::TempDir>>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        for entry in TREE {
            let at = folder.path().join(entry);
            match entry.ends_with('/') {
                true => std::fs::create_dir_all(at).unwrap(),
                false => std::fs::write(at, "").unwrap(),
            }
        }
        let made = git(folder.path(), &["init", "-q"])
            .status()
            .is_ok_and(|status| status.success());
        made.then(|| Mutex::new(folder))
    });

    fn git(folder: &Path, args: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        git.args(["-c", "core.excludesFile=/dev/null", "-C"])
            .arg(folder)
            .args(args);
        git
    }

    /// What git leaves out.
    fn left_out_by_git(folder: &Path, rules: &[u8]) -> BTreeSet<String> {
        std::fs::write(folder.join(".gitignore"), rules).unwrap();
        let mut git = git(folder, &["check-ignore", "--no-index", "-z", "--stdin"]);
        let mut git = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let asked: Vec<&str> = TREE.iter().map(|entry| entry.trim_end_matches('/')).collect();
        git.stdin
            .take()
            .unwrap()
            .write_all(asked.join("\0").as_bytes())
            .unwrap();
        let answer = git.wait_with_output().unwrap();
        assert!(matches!(answer.status.code(), Some(0 | 1)));
        let text = String::from_utf8(answer.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn left_out_here(rules: &[u8]) -> BTreeSet<String> {
        let (rules, _) = Rules::parse(rules);
        let is_left_out = |entry: &&&str| {
            let path = path(entry.trim_end_matches('/'));
            rules.ignores_above(&path) || rules.ignores(&path, entry.ends_with('/'))
        };
        let left_out = TREE.iter().filter(is_left_out);
        left_out
            .map(|entry| entry.trim_end_matches('/').to_owned())
            .collect()
    }

    fn lines() -> impl Strategy<Value = String> {
        let line =
            proptest::collection::vec(proptest::sample::select(PARTS), 1..7).prop_map(|parts| parts.concat());
        let whole = prop_oneof![1 => Just(""), 9 => Just("\n")];
        (proptest::collection::vec(line, 1..6), whole).prop_map(|(lines, end)| lines.join("\n") + end)
    }

    fn compare(rules: &[u8]) -> Result<(), TestCaseError> {
        let Some(folder) = &*FOLDER else {
            return Err(TestCaseError::reject("there is no git to compare with"));
        };
        let folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
        prop_assert_eq!(left_out_here(rules), left_out_by_git(folder.path(), rules));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rules_leave_out_what_git_leaves_out(rules in lines()) {
            if FOLDER.is_some() {
                compare(rules.as_bytes())?;
            }
        }
    }

    #[test]
    fn rules_that_were_read_otherwise_once_leave_out_what_git_leaves_out() {
        if FOLDER.is_none() {
            eprintln!("passed over: there is no git to compare with");
            return;
        }
        for rules in [
            "\u{feff}ab\n*.txt\n",
            "a{b,c}\n",
            "[abc\n",
            "*\n!*/\n!*.txt\n",
            "a \nd e\\ \n",
            "a\r\nb\r\n",
            "/a\n/d/a\n",
            "d/**\n!d/a\n",
            "a**/d/a\n",
            "e/**/a\n",
            "\\#a\n\\!a\n\\\\\n",
            "d//\n",
            "*\\\n[[:x:]]\n[a-\n",
        ] {
            compare(rules.as_bytes()).unwrap_or_else(|error| panic!("{rules:?}: {error}"));
        }
    }
}
