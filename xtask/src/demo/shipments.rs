//! A day's shipments from an inland depot to a port, the same on every run.

use serde_json::{Value, json};

use super::deal::Deal;

#[cfg(test)]
mod tests;

const SHIPMENTS: u32 = 40;

/// The day of the demo, the day before it, and the one before that.
const DAYS: [&str; 3] = ["2025-03-03", "2025-03-02", "2025-03-01"];

/// The devices, by index.
const DEPOT: usize = 0;
const TRUCK: usize = 1;
const PORT: usize = 2;

const GOODS: [&str; 5] = ["vaccines", "cut flowers", "fish", "cheese", "insulin"];

/// The temperature above which a reading is an excursion, in tenths of a degree.
const TENTHS_MAX: u32 = 80;

/// When, in minutes of the day, the devices note what they had missed.
const EVENING: u32 = 20 * 60;

/// All events, in the order in which the devices note them.
pub(super) fn day() -> impl Iterator<Item = Deal> {
    let mut notes: Vec<_> = (0..SHIPMENTS).flat_map(shipment).collect();
    notes.sort_by_key(|note| note.minute);
    notes.into_iter().map(|note| note.deal)
}

/// An event and the minute of the day in which it is noted.
struct Note {
    minute: u32,
    deal: Deal,
}

/// The life of one shipment. What was missed is noted in the evening, with its own earlier time.
fn shipment(number: u32) -> Vec<Note> {
    let id = format!("SHP-{:03}", number + 1);
    let start = 5 * 60 + number * 7;
    let mut notes = Vec::new();
    let mut add = |device, (days_ago, minute): (usize, u32), kind: &str, data: Value| {
        let occurred_at = format!("{}T{:02}:{:02}:00Z", DAYS[days_ago], minute / 60, minute % 60);
        let event = json!({
            "root": "shipment",
            "aggregate_id": id,
            "type": kind,
            "occurred_at": occurred_at,
            "data": data,
        });
        let minute = if days_ago == 0 { minute } else { EVENING };
        notes.push(Note { minute, deal: (device, event.to_string()) });
    };
    let goods = GOODS[number as usize % GOODS.len()];
    add(DEPOT, (0, start), "Packed", json!({"goods": goods, "location": "depot Erfurt"}));
    add(DEPOT, (0, start + 20), "HandedOver", json!({"custody": "truck 7"}));
    add(TRUCK, (0, start + 21), "Accepted", json!({"custody": "truck 7", "seal": number + 4_700}));
    add(TRUCK, (0, start + 40), "Departed", json!({"location": "A 71"}));
    for reading in 0..4 {
        let tenths = 20 + (number * 13 + reading * 29) % 70;
        let data = json!({"celsius": f64::from(tenths) / 10.0});
        let kind = if tenths > TENTHS_MAX { "TemperatureExcursion" } else { "TemperatureRead" };
        add(TRUCK, (0, start + 60 + reading * 45), kind, data);
    }
    add(PORT, (0, start + 290), "Arrived", json!({"location": "port of Hamburg"}));
    add(PORT, (0, start + 300), "Accepted", json!({"custody": "port of Hamburg"}));
    if number.is_multiple_of(5) {
        add(TRUCK, (1, 17 * 60 + number), "Precooled", json!({"precooled": true}));
    }
    if number.is_multiple_of(6) {
        add(PORT, (2, 9 * 60 + number), "CustomsCleared", json!({"customs": "cleared"}));
    }
    notes
}
