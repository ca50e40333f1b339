//! A guest that makes whatever HTTP requests it is asked for: it must get no further than its grants and budgets.

use muster_sdk::{command, plugin};

use self::bindings::wasi::http::outgoing_handler::handle;
use self::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme, http_error_code,
};
use self::bindings::wasi::io::streams::StreamError;

mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        unsafe_code,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        clippy::indexing_slicing,
        clippy::str_to_string,
        reason = "generated"
    )]

    wit_bindgen::generate!({ path: "wit", world: "fetch", generate_all });
}

/// Makes a request some times, and tells how the last one ended
#[command(tags("hostile"), effects(open_world))]
#[expect(clippy::too_many_arguments, reason = "they are those of the command")]
fn fetch(
    /// Such as `GET`.
    method: String,
    /// `http` or `https`.
    scheme: String,
    /// Host and port.
    authority: String,
    /// Path and query.
    path: String,
    /// A header, as name and value.
    #[serde(default)]
    header: Vec<String>,
    /// Bytes of the request's body.
    #[serde(default)]
    body_bytes: usize,
    /// How often.
    #[serde(default)]
    times: u32,
    /// Whether to leave each response open until the last has come.
    #[serde(default)]
    keep: bool,
) -> String {
    let mut told = String::new();
    let mut kept = Vec::new();
    for _ in 0..times.max(1) {
        let response = ask(&method, &scheme, &authority, &path, &header, body_bytes);
        told = match response {
            Ok(Ok(response)) if keep => {
                kept.push(response);
                format!("{} open", kept.len())
            }
            Ok(Ok(response)) => read(&response),
            Ok(Err(told)) => told,
            Err(error) => format!("{error:?}"),
        };
    }
    told
}

/// Makes one request. What goes wrong before it is sent is told in words.
fn ask(
    method: &str,
    scheme: &str,
    authority: &str,
    path: &str,
    header: &[String],
    body_bytes: usize,
) -> Result<Result<IncomingResponse, String>, ErrorCode> {
    let headers = Fields::new();
    if let [name, value] = header
        && let Err(error) = headers.append(name, value.as_bytes())
    {
        return Ok(Err(format!("{error:?}")));
    }
    let request = OutgoingRequest::new(headers);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    let set = request.set_method(&method).is_ok()
        && request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(path)).is_ok();
    if !set {
        return Ok(Err("not a request".to_owned()));
    }
    let Ok(body) = request.body() else { return Ok(Err("no body".to_owned())) };
    let answer = handle(request, None)?;
    if let Ok(stream) = body.write() {
        let mut left = body_bytes;
        while left > 0 {
            let length = left.min(4096);
            if stream.blocking_write_and_flush(&vec![b'x'; length]).is_err() {
                break;
            }
            left -= length;
        }
    }
    let _ = OutgoingBody::finish(body, None);
    answer.subscribe().block();
    let Some(Ok(response)) = answer.get() else { return Ok(Err("no answer".to_owned())) };
    Ok(Ok(response?))
}

/// Status and length of a response.
fn read(response: &IncomingResponse) -> String {
    let status = response.status();
    let Ok(body) = response.consume() else { return "no body".to_owned() };
    let Ok(stream) = body.stream() else { return "no stream".to_owned() };
    let mut length = 0_usize;
    loop {
        match stream.blocking_read(65_536) {
            Ok(bytes) => length += bytes.len(),
            Err(StreamError::Closed) => return format!("{status} {length}"),
            Err(StreamError::LastOperationFailed(error)) => {
                return format!("{status} {:?}", http_error_code(&error));
            }
        }
    }
}

plugin!(fetch);
