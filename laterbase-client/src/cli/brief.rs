//! What an event says, in a few words.

use laterbase_core::event::Event;

use super::list::State;

/// Most characters: what no terminal shows is not kept.
const CHARS_MAX: usize = 500;

/// A short form of an event's data: the members of an object, without the marks of JSON.
pub(crate) fn brief(event: &Event<'_>) -> String {
    let record = &event.record;
    match str::from_utf8(record.data) {
        Ok(text) if record.is_json => of_json(text),
        _ => format!("{} bytes that are no JSON", record.data.len()),
    }
}

fn of_json(text: &str) -> String {
    let state = State::read(text);
    let Some(members) = state.members() else {
        return state.whole().text().chars().take(CHARS_MAX).collect();
    };
    let mut brief = String::new();
    for (name, value) in members {
        if !brief.is_empty() {
            brief.push_str(", ");
        }
        brief.extend(name.chars().take(CHARS_MAX));
        brief.push_str(": ");
        brief.extend(value.text().chars().take(CHARS_MAX));
        if brief.len() > CHARS_MAX {
            break;
        }
    }
    brief.chars().take(CHARS_MAX).collect()
}
