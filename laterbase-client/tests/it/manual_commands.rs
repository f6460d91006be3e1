//! `laterbase completions` and `laterbase man`.

use crate::command::Workplace;

#[test]
fn every_shell_has_a_script_that_knows_the_commands_and_their_flags() {
    let place = Workplace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.succeed(&["completions", shell]);
        for word in ["timeline", "recorded-since", "columns"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(place.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn every_command_has_a_page() {
    let place = Workplace::new();
    place.succeed(&["man", "pages"]);
    let page =
        |name: &str| std::fs::read_to_string(place.path(&format!("pages/{name}.1"))).unwrap();
    assert!(page("laterbase").contains("laterbase\\-timeline(1)"));
    assert!(page("laterbase-list").contains("LATERBASE_STORE"));
    for command in ["init", "record", "sync", "status", "log", "show", "timeline", "resolve"] {
        assert!(page(&format!("laterbase-{command}")).contains(".SH NAME"), "{command}");
    }
    place.write("file", &[]);
    assert!(place.fail(&["man", "file"]).contains("cannot write into file"));
}
