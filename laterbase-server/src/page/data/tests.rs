use super::*;

fn shown(bytes: &[u8]) -> String {
    show(&Record::bytes("a", "T", bytes), "/events/x").into_string()
}

#[test]
fn only_images_of_known_kinds_and_sizes_are_shown() {
    for (bytes, media_type) in [
        (&b"\x89PNG\r\n\x1a\nrest"[..], "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ] {
        let shown = shown(bytes);
        assert!(shown.contains(&format!("src=\"data:{media_type};base64,")), "{shown}");
    }
    for bytes in [&b"<svg onload=alert(1)>"[..], b"RIFF\0\0\0\0WAVE", b"\x89PNG", b""] {
        assert!(!shown(bytes).contains("<img"));
    }
    let mut large = b"GIF89a".to_vec();
    large.resize(IMAGE_BYTES_MAX + 1, 0);
    let shown = shown(&large);
    assert!(!shown.contains("<img") && shown.contains("all of them") && shown.len() < 10_000);
}

#[test]
fn bytes_are_shown_in_hex_beside_what_can_be_read() {
    let shown = hex(b"<b>\0\xffabcdefghijklm");
    let expected = "000000  3c 62 3e 00 ff 61 62 63 64 65 66 67 68 69 6a 6b  <b>··abcdefghijk\n\
                    000010  6c 6d                                            lm\n";
    assert_eq!(shown, expected);
    assert!(super::tests::shown(b"<b>\0").contains("&lt;b&gt;"));
}
