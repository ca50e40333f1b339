//! What the host does at signals. TERM and INT let running calls end and stop the host, a second one at once; HUP reads the
//! configuration again, as `muster config reload` does; USR1 and USR2, which would end a program that does not know them,
//! are noted and do nothing.

use std::sync::Arc;

use bytes::Bytes;
use muster_core::authn::{Credential, Source};
use muster_core::caller::RequestId;
use muster_core::dispatch::{Dispatcher, Head};
use muster_core::error::CallError;
use muster_core::name::FrontendName;
use muster_core::permission::CONSOLE;
use muster_core::schema::Unread;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::service;

/// Signals that would end the process, taken from the moment this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Signal,
    user: [Signal; 2],
    stop: Option<[Signal; 2]>,
}

impl Signals {
    /// Takes HUP, USR1 and USR2 from now on; what comes before the host is up waits for it.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub(crate) fn take() -> Result<Self, String> {
        let user = [of(SignalKind::user_defined1())?, of(SignalKind::user_defined2())?];
        Ok(Self { hangup: of(SignalKind::hangup())?, user, stop: None })
    }

    /// Takes TERM and INT too: until now they ended the process at once, which had nothing to lose.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub(crate) fn take_all(self) -> Result<Self, String> {
        let stop = [of(SignalKind::terminate())?, of(SignalKind::interrupt())?];
        Ok(Self { stop: Some(stop), ..self })
    }

    /// Does what signals say. Never ends by itself.
    pub(crate) async fn follow(self, dispatcher: &Arc<Dispatcher>, stopping: watch::Sender<bool>) {
        let Self { mut hangup, user: [mut one, mut two], stop } = self;
        let reload = async {
            while hangup.recv().await.is_some() {
                reload(dispatcher).await;
            }
        };
        let note = async {
            loop {
                let name = tokio::select! { _ = one.recv() => "SIGUSR1", _ = two.recv() => "SIGUSR2" };
                tracing::info!("the signal {name} is not supported and was ignored");
            }
        };
        let stop = async {
            let Some([mut terminate, mut interrupt]) = stop else { return };
            let mut asked = false;
            loop {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                if asked {
                    std::process::exit(130);
                }
                asked = true;
                tracing::info!("stopping; send the signal again to stop immediately");
                stopping.send_replace(true);
            }
        };
        tokio::join!(reload, note, stop);
        std::future::pending::<()>().await;
    }
}

fn of(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be received: {error}"))
}

/// Reads the configuration again in the name of the console: under the same rules and with the same record as the command.
async fn reload(dispatcher: &Arc<Dispatcher>) {
    service::reloading();
    match call_reload(dispatcher).await {
        Ok(()) => tracing::info!("SIGHUP: configuration reloaded"),
        Err(error) => tracing::error!(
            code = error.code(),
            internal = error.internal(),
            "SIGHUP: reloading the configuration failed, and nothing changed: {error}"
        ),
    }
    service::ready();
}

async fn call_reload(dispatcher: &Arc<Dispatcher>) -> Result<(), CallError> {
    let bits = getrandom::u64().map_err(CallError::internal_from)?;
    let source = Source {
        via: FrontendName(CONSOLE),
        tag: None,
        address: None,
        request_id: RequestId::from_random(bits.into()),
        trace: None,
    };
    let head =
        Head { source, credential: Credential::Console, name: "reload_config".to_owned(), version: None, safe: false };
    let admitted = dispatcher.admit(head).await?;
    admitted.call(Unread::Json(Bytes::from_static(b"{}"))).await.map(drop)
}
