use super::*;

#[track_caller]
fn check_from_here(listen: &str, expected: &str) {
    let address: SocketAddr = listen.parse().expect("the test's own");
    assert_eq!(from_here(address).to_string(), expected);
}

#[test]
fn a_server_on_all_addresses_is_asked_on_loopback() {
    check_from_here("0.0.0.0:4920", "127.0.0.1:4920");
    check_from_here("[::]:80", "[::1]:80");
    check_from_here("192.0.2.1:4920", "192.0.2.1:4920");
}

#[track_caller]
fn check_refused(url: &str) {
    let error = run(Some(url), SocketAddr::from(([127, 0, 0, 1], 1))).expect_err(url);
    let said = format!("{error:#}");
    assert!(said.contains(url) && said.contains("such as http://127.0.0.1:4920"), "{said}");
}

#[test]
fn a_url_that_is_no_server_s_own_is_refused_with_the_form_it_has() {
    check_refused("https://depot.example");
    check_refused("127.0.0.1:4920");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    let hangs = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", hangs.local_addr().expect("it is bound"));
    let said = ask_in_time(&url).await.expect_err("nobody answers").to_string();
    assert_eq!(said, format!("{url} does not answer within 5s"));
}
