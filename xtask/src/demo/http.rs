//! One `POST` over a plain connection. A client of thirty lines: this is built first on a fresh machine, and a library
//! would take longer than everything else in it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// Posts JSON and gives status and body.
pub(super) fn post(address: &str, path: &str, account: Option<(&str, &str)>, body: &str) -> Result<(u16, String)> {
    let authorization = account.map_or_else(String::new, |(user, password)| {
        format!("authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()))
    });
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n{authorization}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).with_context(|| format!("nothing answers at {address}"))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("the answer has no status")?;
    Ok((status, body.to_owned()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |index: u32| LETTERS.get((index & 63) as usize).map_or('=', |letter| char::from(*letter));
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            let filled = chunk.len();
            (0..4).map(move |at| if at <= filled { letter(bits >> (18 - 6 * at)) } else { '=' })
        })
        .collect()
}
