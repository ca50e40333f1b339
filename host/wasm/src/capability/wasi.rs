//! The WASI 0.2 interfaces that toolchains import whether a guest uses them or not: present, and empty. No files but
//! those of granted directories, no arguments, no environment, no network; standard output and error go to the guest's log.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::directories::Directories;
use super::logging::GuestLog;

/// Bytes a guest can write at a time.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// Random bytes a guest can ask for at a time.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// A context that gives nothing but the directories that were granted.
pub(crate) fn context(log: &GuestLog, directories: &Directories) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(LogStream { log: log.clone(), name: "stdout" })
        .stderr(LogStream { log: log.clone(), name: "stderr" })
        .max_random_size(RANDOM_BYTES_MAX);
    directories.give(&mut builder);
    builder.build()
}

/// A standard stream that ends in the guest's log.
#[derive(Clone)]
struct LogStream {
    log: GuestLog,
    name: &'static str,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.log.write_stream(self.name, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Pollable for LogStream {
    fn ready<'a, 'async_trait>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        Self: 'async_trait,
        'a: 'async_trait,
    {
        Box::pin(std::future::ready(()))
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write_stream(self.name, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
