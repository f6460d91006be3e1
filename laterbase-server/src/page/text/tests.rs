use super::*;

fn shown(text: &str) -> String {
    Text(text).render().into_string()
}

#[test]
fn what_others_wrote_is_escaped_and_what_hides_is_shown_by_its_number() {
    for (text, expected) in [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a\"b&c", "a&quot;b&amp;c"),
        ("x\u{202e}y", "x<span class=\"odd\">U+202E</span>y"),
        ("\0\u{7f}", "<span class=\"odd\">U+0000</span><span class=\"odd\">U+007F</span>"),
        (
            "a\u{ad}b\u{3164}",
            "a<span class=\"odd\">U+00AD</span>b<span class=\"odd\">U+3164</span>",
        ),
        ("line\nnext\ttab", "line\nnext\ttab"),
        ("שלום 👩‍🚀", "שלום 👩‍🚀"),
        ("", ""),
    ] {
        assert_eq!(shown(text), format!("<bdi>{expected}</bdi>"));
    }
}

#[test]
fn a_text_is_cut_between_characters() {
    assert_eq!(Cut("äöü", 2).render().into_string(), "<bdi>äö</bdi>…");
    assert_eq!(Cut("äöü", 3).render().into_string(), "<bdi>äöü</bdi>");
}

#[test]
fn a_segment_holds_nothing_that_means_something_in_a_url() {
    assert_eq!(segment("UA1545/2013 %2F?#&<\"é"), "UA1545%2F2013%20%252F%3F%23%26%3C%22%C3%A9");
    assert_eq!(segment("a-b.c_d~e"), "a-b.c_d~e");
}

#[test]
fn numbers_and_sizes_are_as_people_read_them() {
    assert_eq!(number(1), "1");
    assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
    assert_eq!(count(1, "event"), "1\u{a0}event");
    assert_eq!(count(0, "event"), "0\u{a0}events");
    for (bytes, expected) in [
        (0, "0 bytes"),
        (1_023, "1023 bytes"),
        (1_024, "1.0 KiB"),
        (1_536, "1.5 KiB"),
        (200 * 1_024 * 1_024, "200 MiB"),
        (u64::MAX, "16777216 TiB"),
    ] {
        assert_eq!(size(bytes), expected);
    }
}
