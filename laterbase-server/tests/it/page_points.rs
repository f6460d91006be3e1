//! `/ui/r/{root}/a/{id}`: an aggregate at a point in two times; and the page of an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::page::{page, with_pages, write};
use crate::running::Running;

/// 2024-03-01T00:00:00Z, in nanoseconds.
const START: i64 = 1_709_251_200_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// The state that a page shows, as it was written.
fn state(shown: &str) -> Option<Value> {
    let (_, rest) = shown.split_once(r#"<pre id="state-json" tabindex="0">"#)?;
    let text = rest.split("</pre>").next()?;
    let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&");
    Some(serde_json::from_str(&text).unwrap())
}

/// A server that learns of one thing an hour, some of it late: what happened at 1, 3, 2 and 4
/// o'clock, of which the second is taken back at last.
async fn told_late() -> (Running, Connection, Vec<String>) {
    let now = Arc::new(AtomicI64::new(START));
    let clock = Arc::clone(&now);
    let builder = with_pages().clock(Arc::new(move || clock.load(Ordering::SeqCst)));
    let server = Running::start(builder).await;
    let mut connection = server.connect().await;
    let mut ids = Vec::new();
    for (learned, (happened, place)) in
        [(1, "Lagos"), (3, "Kano"), (2, "Abuja"), (4, "Jos")].into_iter().enumerate()
    {
        now.store(START + (5 + learned as i64) * HOUR, Ordering::SeqCst);
        let event = json!({
            "aggregate_id": "s/1", "type": "Arrived", "occurred_at": format!("2024-03-01T0{happened}:00:00Z"),
            "data": {"at": place, format!("seen_{place}"): learned}, "metadata": {"actor": "Ada"},
        });
        ids.push(write(&mut connection, "order", event).await);
    }
    now.store(START + 9 * HOUR, Ordering::SeqCst);
    let void = json!({"aggregate_id": "s/1", "type": "Voided", "data": {}, "voids": [ids[1]]});
    ids.push(write(&mut connection, "order", void).await);
    (server, connection, ids)
}

#[tokio::test]
async fn the_state_at_a_point_is_what_the_route_gives() {
    let (server, mut connection, _) = told_late().await;
    let mut states = std::collections::BTreeSet::new();
    for happened in ["", "00:30", "01:00", "02:30", "03:00", "23:00"] {
        for known in ["", "04:00", "05:00", "06:30", "07:00", "08:00", "09:00"] {
            let bound = |name: &str, time: &str| match time {
                "" => String::new(),
                time => format!("{name}=2024-03-01T{time}:00Z&"),
            };
            let query = bound("occurred_until", happened) + &bound("known_at", known);
            let shown = page(&mut connection, &format!("/ui/r/order/a/s%2F1?{query}"), 200).await;
            let given = connection.get(&format!("/a/order/s%2F1?{query}")).await;
            let expected = (given.status == 200).then(|| given.json());
            assert_eq!(state(&shown), expected, "{query}");
            states.insert(format!("{expected:?}"));
        }
    }
    assert!(states.len() >= 7, "{states:?}");
    server.stop().await;
}

#[tokio::test]
async fn the_difference_to_another_point_is_listed_by_field() {
    let (server, mut connection, _) = told_late().await;
    let target = "/ui/r/order/a/s%2F1?known_at=2024-03-01T06:00:00Z";
    let shown = page(&mut connection, target, 200).await;
    let there = shown.split(r#"id="there""#).nth(1).unwrap().split("</section>").next().unwrap();
    // Known then was Kano, now it is taken back and Jos is the last.
    let row = |field: &str, here: &str, other: &str| {
        format!(
            "<tr><th scope=\"row\"><bdi>{field}</bdi></th><td class=\"here\"><bdi>{here}</bdi></td>\
             <td class=\"there\"><bdi>{other}</bdi></td></tr>"
        )
    };
    assert!(there.contains(&row("at", "Kano", "Jos")), "{there}");
    assert!(there.contains("seen_Abuja") && there.contains("seen_Kano"), "{there}");
    assert!(!there.contains("seen_Lagos"), "{there}");
    let same = format!("{target}&other_known_at=2024-03-01T06:00:00Z");
    let shown = page(&mut connection, &same, 200).await;
    assert!(shown.contains("Both points are the same"));
    let other = format!("{target}&other_occurred_until=2024-03-01T01:00:00Z&other_known_at=");
    let shown = page(&mut connection, &other, 200).await;
    let there = shown.split(r#"id="there""#).nth(1).unwrap();
    assert!(there.contains(&row("at", "Kano", "Lagos")), "{there}");
    server.stop().await;
}

#[tokio::test]
async fn the_picture_marks_what_came_late_and_what_was_taken_back() {
    let (server, mut connection, ids) = told_late().await;
    let shown = page(&mut connection, "/ui/r/order/a/s%2F1", 200).await;
    let plot = shown.split("<svg").nth(1).unwrap().split("</svg>").next().unwrap();
    assert_eq!(plot.matches("<circle").count(), 5, "{plot}");
    let mark = |id: &String| {
        let link = format!("href=\"/ui/e/{}\"", id.replace(':', "%3A"));
        plot.split("<a ").find(|mark| mark.contains(&link)).unwrap().to_owned()
    };
    let class = |id: &String| mark(id).split('"').nth(1).unwrap().to_owned();
    assert_eq!(class(&ids[0]), "mark");
    assert_eq!(class(&ids[1]), "mark voided");
    assert_eq!(class(&ids[2]), "mark late");
    assert_eq!(class(&ids[3]), "mark");
    assert!(
        shown.contains("5\u{a0}events")
            && shown.contains("2 late")
            && shown.contains("1 taken back")
    );
    // Beside it, the table: with a line through what was taken back, and who said it.
    let rows = shown.split(r#"id="events""#).nth(1).unwrap();
    assert_eq!(rows.matches("<tr class=\"voided\">").count(), 1, "{rows}");
    assert_eq!(rows.matches("<bdi>Ada</bdi>").count(), 4);
    let known =
        page(&mut connection, "/ui/r/order/a/s%2F1?known_at=2024-03-01T06:00:00Z", 200).await;
    let rows = known.split(r#"id="events""#).nth(1).unwrap();
    assert_eq!(
        rows.matches("class=\"beyond\"").count() + rows.matches(" beyond\"").count(),
        3,
        "{rows}"
    );
    // Each handle has a place for each time and one for no bound.
    let stops = |axis: &str| {
        let input =
            known.split("<input").find(|it| it.contains(&format!("handle-{axis}"))).unwrap();
        let text = input.split("data-stops=\"").nth(1).unwrap().split('"').next().unwrap();
        let stops: Vec<(String, f64)> =
            serde_json::from_str(&text.replace("&quot;", "\"")).unwrap();
        stops
    };
    let times: Vec<String> = stops("across").into_iter().map(|(time, _)| time).collect();
    let hour = |hour: u32| format!("2024-03-01T0{hour}:00:00Z");
    assert_eq!(times, [hour(1), hour(2), hour(3), hour(4), String::new()]);
    let times: Vec<String> = stops("down").into_iter().map(|(time, _)| time).collect();
    assert_eq!(times, [hour(5), hour(6), hour(7), hour(8), hour(9), String::new()]);
    server.stop().await;
}

#[tokio::test]
async fn the_events_are_read_page_by_page_from_either_end() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let events: Vec<Value> = (0..250)
        .map(|n| json!({"aggregate_id": "o", "type": format!("T{n:03}"), "data": {"n": n}}))
        .collect();
    connection.post("/e/order", json!(events).to_string()).await.check(201);
    for order in ["asc", "desc"] {
        let mut target = format!("/ui/r/order/a/o?order={order}&known_at=&fold=merge-patch");
        let mut types = Vec::new();
        loop {
            let shown = page(&mut connection, &target, 200).await;
            let rows = shown.split(r#"id="events""#).nth(1).unwrap();
            let found = rows.split("<bdi>T").skip(1).map(|rest| rest[..3].parse::<u32>().unwrap());
            types.extend(found);
            let Some(next) = rows.split(r#"rel="next" href=""#).nth(1) else { break };
            target = next.split(['"', '#']).next().unwrap().replace("&amp;", "&");
        }
        let mut expected: Vec<u32> = (0..250).collect();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(types, expected, "{order}");
    }
    server.stop().await;
}

/// Mutation: a picture with a mark for each event is megabytes for an aggregate like this.
#[tokio::test]
async fn a_picture_of_many_events_is_no_larger() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    for batch in 0..6 {
        let lines: String = (0..5_000)
            .map(|n| {
                let time = START / 1_000_000_000 + (n * 37 + batch * 11) % 86_400 * 300;
                let at = laterbase_core::time::format_time(time * 1_000_000_000);
                let event = json!({"aggregate_id": "many", "type": "T", "occurred_at": at, "data": {"n": n}});
                format!("{event}\n")
            })
            .collect();
        connection.send("POST", "/e/order", &[crate::connection::LINES], lines).await.check(201);
    }
    let shown = page(&mut connection, "/ui/r/order/a/many", 200).await;
    assert!(shown.len() < 600_000, "{}", shown.len());
    let marks = shown.matches("<circle").count();
    assert!((50..=60 * 36).contains(&marks), "{marks}");
    assert!(shown.contains("It shows a sample of"));
    let stops = shown.matches("&quot;2024-").count();
    assert!(stops <= 402, "{stops}");
    server.stop().await;
}

#[tokio::test]
async fn an_event_s_page_has_its_fields_and_its_place_in_each_order() {
    let (server, mut connection, ids) = told_late().await;
    let shown = page(&mut connection, &format!("/ui/e/{}", ids[1]), 200).await;
    assert!(shown.contains("It was taken back"));
    let dot = ids[4].split_once(':').unwrap().1;
    assert!(shown.contains(dot) && !shown.contains("data-void"), "by whom");
    for part in ["Ada", "Kano", "2024-03-01T03:00:00Z", "2024-03-01T06:00:00Z", &ids[1], "number 2"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // In fold order, Abuja is before it; what takes it back happened with it.
    let link = |rel: &str, id: &String| {
        format!("<a rel=\"{rel}\" href=\"/ui/e/{}\">", id.replace(':', "%3A"))
    };
    assert!(shown.contains(&link("prev", &ids[2])) && shown.contains(&link("next", &ids[4])));
    let shown = page(&mut connection, &format!("/ui/e/{}", ids[0]), 200).await;
    assert!(shown.contains("it is the first") && shown.contains("data-void=\"/e/order\""));
    let shown = page(&mut connection, &format!("/ui/e/{}", ids[4]), 200).await;
    assert!(shown.contains("Takes back") && shown.contains(ids[1].split_once(':').unwrap().1));
    let bytes =
        json!({"aggregate_id": "b", "type": "Photo", "data_base64": "iVBORw0KGgo8c2NyaXB0Pg=="});
    let id = write(&mut connection, "order", bytes).await;
    let shown = page(&mut connection, &format!("/ui/e/{id}"), 200).await;
    assert!(shown.contains("src=\"data:image/png;base64,iVBORw0KGgo8c2NyaXB0Pg==\""), "{shown}");
    server.stop().await;
}

/// A fold that fails leaves the events to be looked at.
#[tokio::test]
async fn a_fold_that_fails_is_said_beside_the_events() {
    let server = Running::start(with_pages()).await;
    let mut connection = server.connect().await;
    let event = json!({"aggregate_id": "s", "type": "Failed", "data": {}});
    let id = write(&mut connection, "shipment", event).await;
    let shown = page(&mut connection, "/ui/r/shipment/a/s", 200).await;
    assert!(
        shown.contains("The aggregate cannot be folded") && shown.contains(&id.replace(':', "%3A"))
    );
    assert!(!shown.contains("a secret of the fold"));
    assert!(shown.contains("<option value=\"merge-patch\""));
    let shown = page(&mut connection, "/ui/r/shipment", 200).await;
    assert!(shown.contains("cannot take one of the aggregate"), "{shown}");
    let shown = page(&mut connection, "/ui/r/shipment/a/s?fold=merge-patch", 200).await;
    assert_eq!(state(&shown), Some(json!({})));
    server.stop().await;
}
