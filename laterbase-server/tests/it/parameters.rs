//! Parameters that a route does not have.

use laterbase_server::Server;

use crate::running::{Running, in_memory};

/// `GET /`, `/healthz`, `/readyz` and `POST /e/{root}` took any parameter, as each route had to
/// remember to ask. `?limt=1` was the whole first page, and nobody was told.
///
/// Mutation: a handler that is added to the router beside the declared routes is not in the walk,
/// so it must not be possible: the router is made of the declarations.
#[tokio::test]
async fn every_route_refuses_a_parameter_that_it_does_not_have() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let routes = Server::routes();
    assert!(routes.len() >= 12, "{routes:?}");
    for (method, path) in routes {
        let path = path.replace("{root}", "order").replace("{id}", "o-1");
        let path = path.replace("{origin}", "332341d582665405ecb889bd9dec8ce2");
        let target = format!("{path}?limt=1");
        let reply = connection.send(method.as_str(), &target, &[], "").await;
        let problem = reply.problem(400, "malformed-parameter");
        assert_eq!(problem["field"], "limt", "{method} {target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_nearest_parameter_is_named() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    for (target, nearest) in [
        ("/e/order?limt=1", "the nearest is limit"),
        ("/a/order/o-1?knownAt=2024-03-01T08:00:00Z", "the nearest is known_at"),
        ("/sync?cursr=x", "the nearest is cursor"),
        ("/?limit=1", "the route has no parameters"),
    ] {
        let problem = connection.get(target).await.problem(400, "malformed-parameter");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(nearest), "{target}: {detail}");
    }
    server.stop().await;
}
