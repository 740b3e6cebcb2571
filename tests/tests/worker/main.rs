//! The Worker, built as it is deployed, in real workerd.

mod attacks;
mod contract;
mod faults;
mod hubs;
mod leave;
mod load;
mod log;
mod slow;
mod streamed;
mod vars;
