//! What was taken back stays so when a fork is decided, and nothing else is.

use super::*;
use crate::event::VoidsBuf;

/// The data of the events that are marked as taken back.
fn voided(replica: &Replica) -> Vec<String> {
    let mut texts = Vec::new();
    let mut look = |event: &crate::event::Event<'_>| {
        if !event.voided_by.is_empty() {
            texts.push(String::from_utf8(event.record.data.to_vec()).unwrap());
        }
        ControlFlow::Continue(())
    };
    replica.reader().feed(&root(), &VersionVector::new(), 1_000, &mut look).unwrap();
    texts
}

/// Mutations tried, each red: a void means whatever has its dot; no look for what moved.
#[test]
fn a_void_means_the_event_that_its_writer_knew_wherever_that_moves() {
    for keep in [Keep::Ours, Keep::Theirs] {
        let Cast { original, copy, mut peer, .. } = parted();
        let id = original.id();
        let mut knows_the_copy = fresh(7);
        sync(&copy, &mut knows_the_copy, NOW + 40);
        let voids: VoidsBuf = [Dot { origin: id, seq: 5 }].into_iter().collect();
        let record = Record::json("s1", "Voided", "{}").with_voids(voids.as_voids());
        knows_the_copy.append(&batch_at(NOW + 41, &[record]), NOW + 41).unwrap();
        assert_eq!(voided(&knows_the_copy), [r#"{"copy":0}"#]);

        sync(&original, &mut peer, NOW + 42);
        peer.merge(&Delta::decode(&page(&copy, id, 4)).unwrap(), NOW + 43).unwrap_err();
        sync_page(&knows_the_copy, &mut peer, NOW + 44);
        // It holds another event under that id, and the one that is meant in quarantine.
        assert!(voided(&peer).is_empty());
        peer.resolve(&root(), id, keep, NOW + 45).unwrap();
        assert_eq!(voided(&peer), [r#"{"copy":0}"#], "{keep:?}");
    }
}
