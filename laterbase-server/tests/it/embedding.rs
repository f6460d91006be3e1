//! The routes inside of another application.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::connection::{ACCEPT_LIVE, JSON, segment};
use crate::running::{in_memory, order};

async fn call(router: &Router, method: &str, target: &str, body: String) -> Response<Body> {
    let request = Request::builder().method(method).uri(target).header(JSON.0, JSON.1);
    router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

/// The story: under a path with a parameter, every route with one of its own was 400, as it took
/// the outer one for its own.
#[tokio::test]
async fn nested_under_a_path_with_parameters_the_routes_find_their_own() {
    let server = in_memory().build().unwrap();
    for (outer, at) in [("/t/{tenant}", "/t/acme"), ("/x/{a}/{b}/{c}", "/x/1/2/3")] {
        let router = Router::new().nest(outer, server.router());
        let post = call(&router, "POST", &format!("{at}/e/order"), order("o 1", 1)).await;
        assert_eq!(post.status(), 201);
        let id = segment("o 1");
        for target in ["a/order", &format!("a/order/{id}"), &format!("a/order/{id}/events")] {
            let answer = call(&router, "GET", &format!("{at}/{target}"), String::new()).await;
            assert_eq!(answer.status(), 200, "{target}");
        }
        let body = call(&router, "GET", &format!("{at}/a/order/{id}"), String::new()).await;
        let body = body.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"n":1}"#);
        let document = call(&router, "GET", &format!("{at}/openapi.json"), String::new()).await;
        let document = document.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["servers"][0]["url"], at, "clients are made from it");
        assert_eq!(
            call(&router, "GET", &format!("{at}/a/acme"), String::new()).await.status(),
            404
        );
    }
    server.close().await.unwrap();
}

#[tokio::test]
async fn an_embedded_router_asks_for_no_host_unless_it_is_told_to() {
    let server = in_memory().build().unwrap();
    assert_eq!(call(&server.router(), "GET", "/healthz", String::new()).await.status(), 200);
    let server = in_memory().host("depot-7").build().unwrap();
    let asked = async |host: &str| {
        let request = Request::builder().uri("/healthz").header("host", host);
        let request = request.body(Body::empty()).unwrap();
        server.router().oneshot(request).await.unwrap().status()
    };
    assert_eq!(asked("depot-7:80").await, 200);
    assert_eq!(asked("evil.example").await, 421);
}

/// The story: a proxy that had kept an answer of `GET /sync` gave it again, and the device said
/// that it was in sync; and nginx held a live feed back until it had a page of it.
#[tokio::test]
async fn no_answer_is_to_be_kept_on_the_way_and_a_live_one_passes_through() {
    let server = in_memory().build().unwrap();
    let router = server.router();
    for target in ["/", "/healthz", "/e/order", "/a/order", "/a/order/none", "/sync/heads", "/none"]
    {
        let answer = call(&router, "GET", target, String::new()).await;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{target}");
    }
    let cursor = call(&router, "GET", "/sync/heads", String::new()).await;
    let cursor = cursor.headers()["laterbase-cursor"].to_str().unwrap().to_owned();
    let answer = call(&router, "GET", &format!("/sync?cursor={cursor}"), String::new()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["cache-control"]),
        (204, &"no-store".parse().unwrap())
    );
    for target in ["/e/order".to_owned(), format!("/sync?cursor={cursor}")] {
        let request = Request::builder().uri(target).header(ACCEPT_LIVE.0, ACCEPT_LIVE.1);
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}
