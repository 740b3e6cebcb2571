//! The function, built for this machine, in a local Lambda.

mod attacks;
mod contract;
mod faults;
mod log;
mod market;
mod polls;
mod rest;
mod rooms;
