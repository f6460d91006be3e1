//! Who and why, and events that take others back, over HTTP.

use serde_json::{Value, json};

use crate::connection::{ACCEPT_LINES, Connection, LINES};
use crate::running::{Running, in_memory};

async fn write(connection: &mut Connection, event: &Value) -> String {
    let reply = connection.post("/e/order", event.to_string()).await.check(201);
    reply.json()["ids"][0].as_str().unwrap().to_owned()
}

fn event(id: &str, data: &Value) -> Value {
    json!({"aggregate_id": id, "type": "Scanned", "data": data})
}

async fn state(connection: &mut Connection, target: &str) -> Value {
    connection.get(target).await.check(200).json()
}

#[tokio::test]
async fn a_voided_event_is_left_out_by_who_knows_and_shown_with_its_mark() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    write(&mut connection, &event("a", &json!({"at": "Accra"}))).await;
    let wrong = write(&mut connection, &event("a", &json!({"at": "Kumasi", "seal": 7}))).await;
    let before = connection.get("/a/order/a").await.check(200);
    let feed = connection.send("GET", "/e/order", &[ACCEPT_LINES], "").await.check(200);
    let last: Value = serde_json::from_str(feed.text().lines().last().unwrap()).unwrap();
    let then = last["recorded_at"].as_str().unwrap().to_owned();
    let taking_back = json!({"aggregate_id": "a", "type": "Voided", "data": {},
        "voids": [wrong], "metadata": {"actor": "Ama", "reason": "wrong pallet"}});
    let voiding = write(&mut connection, &taking_back).await;

    assert_eq!(state(&mut connection, "/a/order/a").await, json!({"at": "Accra"}));
    let known = state(&mut connection, &format!("/a/order/a?recorded_until={then}")).await;
    assert_eq!(known, json!({"at": "Kumasi", "seal": 7}));
    let after = connection.get("/a/order/a").await.check(200);
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(after.header("laterbase-event-count"), Some("3"));

    let listed = state(&mut connection, "/a/order/a/events").await;
    let fed = state(&mut connection, "/e/order").await;
    for events in [&listed["events"], &fed["events"]] {
        let find = |id: &str| events.as_array().unwrap().iter().find(|event| event["id"] == id);
        let (wrong, voiding_event) = (find(&wrong).unwrap(), find(&voiding).unwrap());
        assert_eq!(wrong["voided_by"], json!([voiding]));
        assert_eq!(voiding_event["voids"], json!([wrong["id"]]));
        assert_eq!(voiding_event["metadata"], json!({"actor": "Ama", "reason": "wrong pallet"}));
        assert_eq!(voiding_event["occurred_at"], wrong["occurred_at"]);
        assert!(voiding_event.get("voided_by").is_none());
    }
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused_by_its_field() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let of_a = write(&mut connection, &event("a", &json!({}))).await;
    let voiding = json!({"aggregate_id": "a", "type": "Voided", "data": {}, "voids": [of_a]});
    let voiding = write(&mut connection, &voiding).await;
    let of_other_root = of_a.replace("order:", "order@depot-7:");
    for (id, voids) in [
        ("b", json!([of_a])),
        ("a", json!([voiding])),
        ("a", json!([of_other_root])),
        ("a", json!(["x"])),
    ] {
        let taking_back = json!({"aggregate_id": id, "type": "Voided", "data": {}, "voids": voids});
        let body = format!("[{},{taking_back}]", event("a", &json!({})));
        let reply = connection.post("/e/order", body).await;
        let problem = reply.problem(422, "invalid-event");
        assert_eq!((&problem["field"], &problem["index"]), (&json!("voids"), &json!(1)));
    }
    assert_eq!(connection.status().await["roots"]["order"]["events"], 2, "nothing was stored");

    let mut good_and_bad = event("a", &json!({})).to_string();
    good_and_bad.push_str(&format!(
        "\n{}",
        json!({"aggregate_id": "b", "type": "Voided", "data": {}, "voids": [of_a]})
    ));
    let reply = connection.send("POST", "/e/order?on_error=skip", &[LINES], good_and_bad).await;
    let items = reply.check(201).json();
    assert_eq!(items["items"][1]["problem"]["field"], "voids");

    // It may come later, and from anywhere.
    let unknown = format!("order:{}-7", "7".repeat(32));
    write(
        &mut connection,
        &json!({"aggregate_id": "b", "type": "V", "data": {}, "voids": [unknown]}),
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn the_name_of_who_is_let_in_is_the_servers_to_say() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let mut claims = event("a", &json!({}));
    claims["metadata"] = json!({"principal": "admin"});
    let problem =
        connection.post("/e/order", claims.to_string()).await.problem(422, "invalid-event");
    assert_eq!(problem["field"], "metadata");
    server.stop().await;
}
