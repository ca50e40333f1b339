//! HTTP, as far as the wires over it share it: sockets and connections, the entrance every request passes, who calls, and
//! failures as problem details.

pub(crate) mod accept;
pub(crate) mod authorization;
pub(crate) mod body;
pub(crate) mod caller;
pub mod entrance;
pub mod listen;
pub mod problem;
pub(crate) mod request_id;
