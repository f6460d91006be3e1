//! Events to test with: of our own making, and real ones where they are at hand.

use std::path::PathBuf;

use laterbase_client::device::Device;
use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;

use crate::dice::Dice;

const ROOTS: [&str; 3] = ["shipment", "container@depot-7", "order"];
const TYPES: [&str; 4] = ["Packed", "Departed", "Customs cleared", "Arrived"];

/// Lines of made-up events of several roots: ids that are URNs and paths, late events, ties,
/// repeated contents, text beyond ASCII, and data that is not JSON.
pub(crate) fn lines(seed: u64, count: usize) -> Vec<String> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| line(&mut dice)).collect()
}

fn line(dice: &mut Dice) -> String {
    let root = ROOTS[dice.below(ROOTS.len())];
    let number = dice.below(40);
    let id = match dice.below(3) {
        0 => format!("urn:epc:id:sgtin:0614141.107346.{number}"),
        1 => format!("UA{number}/2013-01-01/EWR"),
        _ => format!("S-{number}"),
    };
    let event_type = TYPES[dice.below(TYPES.len())];
    let day = 1 + dice.below(28);
    let year = 1948 + dice.below(70);
    let data = match dice.below(5) {
        0 => r#""data_base64":"AP8Q""#.to_owned(),
        1 => format!(r#""data":{{ "qty" : {number}.50 , "site":"Côte d'Ivoire"}}"#),
        2 => r#""data":{"note":null}"#.to_owned(),
        _ => format!(r#""data":{{"place":"P{}","pad":"{}"}}"#, number, "x".repeat(dice.below(300))),
    };
    format!(
        r#"{{"root":"{root}","aggregate_id":"{id}","type":"{event_type}","occurred_at":"{year}-03-{day:02}T00:00:00Z",{data}}}"#
    )
}

/// Lines of one of the real samples; `None`, and a word about it, where it is not at hand.
pub(crate) fn real_lines(name: &str) -> Option<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("left out: {} is not there", path.display());
        return None;
    };
    let bytes = zstd::decode_all(file).unwrap();
    Some(String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect())
}

/// Records lines on a device, in batches of a few hundred.
pub(crate) fn record(device: &Device, lines: &[String]) {
    for chunk in lines.chunks(300) {
        let mut batches: Vec<laterbase_core::PreparedBatch> = Vec::new();
        for line in chunk {
            let event = JsonEvent::parse(line.as_bytes()).unwrap();
            let root = RootName::new(event.root().unwrap()).unwrap();
            let index = batches.iter().position(|batch| *batch.root() == root);
            let index = index.unwrap_or_else(|| {
                batches.push(device.batch(&root));
                batches.len() - 1
            });
            batches[index].push(&event.record()).unwrap();
        }
        assert_eq!(device.record_together(&batches).unwrap(), chunk.len() as u64);
    }
}
