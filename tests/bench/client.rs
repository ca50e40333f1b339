//! A client that takes as little of the machine as it can: the request is bytes made beforehand, and of an answer only
//! its status and length are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The bytes of a `POST`.
pub(crate) fn post(address: &str, path: &str, account: Option<(&str, &str)>, body: &str) -> Vec<u8> {
    let authorization = account.map_or_else(String::new, |(user, password)| {
        format!("authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
    });
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{authorization}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Calls a second over this many connections.
pub(crate) fn rate(address: &str, request: &[u8], connections: usize, time: Duration) -> f64 {
    block_on(async {
        let started = Instant::now();
        let end = started + time;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (address, request) = (address.to_owned(), request.to_vec());
            tasks.spawn(async move {
                let mut connection = Connection::open(&address).await;
                let mut calls = 0_u32;
                while Instant::now() < end {
                    connection.call(&request).await;
                    calls += 1;
                }
                calls
            });
        }
        let calls: u32 = tasks.join_all().await.into_iter().sum();
        f64::from(calls) / started.elapsed().as_secs_f64()
    })
}

/// The median time of calls one after the other.
pub(crate) fn latency(address: &str, request: &[u8], calls: usize) -> Duration {
    block_on(async {
        let mut connection = Connection::open(address).await;
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let started = Instant::now();
            connection.call(request).await;
            times.push(started.elapsed());
        }
        times.sort();
        times.get(calls / 2).copied().unwrap_or_default()
    })
}

/// The time that 99 of 100 calls over these connections do not exceed.
pub(crate) fn slowest(address: &str, request: &[u8], connections: usize, time: Duration) -> Duration {
    block_on(async {
        let end = Instant::now() + time;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (address, request) = (address.to_owned(), request.to_vec());
            tasks.spawn(async move {
                let mut connection = Connection::open(&address).await;
                let mut times = Vec::new();
                while Instant::now() < end {
                    let started = Instant::now();
                    connection.call(&request).await;
                    times.push(started.elapsed());
                }
                times
            });
        }
        let mut times = tasks.join_all().await.concat();
        times.sort();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    })
}

/// Calls over these connections until told to stop; calls that are not over then are given up.
pub(crate) fn until(address: &str, request: &[u8], connections: usize, stop: &AtomicBool) {
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (address, request) = (address.to_owned(), request.to_vec());
            tasks.spawn(async move {
                let mut connection = Connection::open(&address).await;
                loop {
                    connection.call(&request).await;
                }
            });
        }
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    async fn call(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the host closed the connection");
            if is_whole(&self.buffer) {
                return;
            }
        }
    }
}

/// Whether head and body are there; every answer here has a content length.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).expect("answers have a length");
    answer.len() >= end + 4 + length
}
