#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A server that answers every two bytes with three.
async fn answering_server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 2];
                while stream.read_exact(&mut request).await.is_ok() {
                    stream.write_all(b"yes").await.unwrap();
                }
            });
        }
    });
    address
}

async fn ask(stream: &mut TcpStream, request: &[u8]) {
    for piece in request.chunks(1) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"yes");
}

#[tokio::test]
async fn bytes_and_round_trips_of_all_connections_are_counted() {
    let relay = Relay::start(answering_server().await).await.unwrap();
    let mut first = TcpStream::connect(relay.address()).await.unwrap();
    let mut second = TcpStream::connect(relay.address()).await.unwrap();
    first.set_nodelay(true).unwrap();
    ask(&mut first, b"ab").await;
    ask(&mut second, b"cd").await;
    ask(&mut first, b"ef").await;
    assert_eq!(relay.take(), Traffic { connections: 2, round_trips: 3, sent: 6, received: 9 });
    ask(&mut second, b"gh").await;
    assert_eq!(relay.take(), Traffic { connections: 0, round_trips: 1, sent: 2, received: 3 });
}

#[tokio::test]
async fn an_end_is_handed_on() {
    let relay = Relay::start(answering_server().await).await.unwrap();
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_all(b"ab").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"yes");
}
