//! ssedge on AWS.

fn main() {}
