use laterbase_core::reader::Covered;

use super::*;

fn line(columns: &[&str], id: &str, state: &str) -> String {
    let state = AggregateState {
        state: state.as_bytes().to_vec(),
        etag: String::new(),
        event_count: 1,
        refused_count: 0,
        refused: Vec::new(),
        folded_count: 1,
        covered: Covered { occurred_last: 0, recorded_last: 0, position: 1 },
    };
    let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    let mut out = Vec::new();
    write(&mut out, &columns, id, &Ok(state));
    String::from_utf8(out).expect("it is text")
}

#[test]
fn a_cell_is_never_a_formula_and_never_breaks_out() {
    for (state, expected) in [
        (r#"{"a":"=1+1"}"#, "i,'=1+1,,\r\n"),
        (r#"{"a":"+1"}"#, "i,'+1,,\r\n"),
        (r#"{"a":"-x"}"#, "i,'-x,,\r\n"),
        (r#"{"a":"@SUM(A1)"}"#, "i,'@SUM(A1),,\r\n"),
        (r#"{"a":-5.50}"#, "i,-5.50,,\r\n"),
        (r#"{"a":"say \"hi\", you\nthere"}"#, "i,\"say \"\"hi\"\", you\nthere\",,\r\n"),
        (r#"{"a":[1,2]}"#, "i,\"[1,2]\",,\r\n"),
        (r#"{"b":true}"#, "i,,\"{\"\"b\"\":true}\",\r\n"),
    ] {
        assert_eq!(line(&["a"], "i", state), expected, "{state}");
    }
    assert_eq!(line(&["state"], "=id", "7"), "'=id,7,,\r\n");
    let head = String::from_utf8(head(&["=a".to_owned(), "b,c".to_owned()])).expect("it is text");
    assert_eq!(head, "\u{feff}id,'=a,\"b,c\",(others),(problem)\r\n");
}
