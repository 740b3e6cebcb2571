//! A function for the emulator's tests, with the runtime that real ones use: it streams its process id, twice.

use std::time::Duration;

use futures::StreamExt;
use lambda_runtime::{Error, LambdaEvent, StreamResponse, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run_concurrent(service_fn(|_: LambdaEvent<Value>| async {
        let chunks = futures::stream::iter(["first", "second"]).then(|word| async move {
            if word == "second" {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok::<_, Error>(format!("{} {word}\n", std::process::id()))
        });
        Ok::<_, Error>(StreamResponse::from(Box::pin(chunks)))
    }))
    .await
}
