//! What the host is compared with: axum, a JSON body in, a JSON text out, nothing else.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Serves until it is killed; prints its address first.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, Router::new().route("/api/hello", post(hello))).await.unwrap();
    });
}

async fn hello(Json(arguments): Json<Value>) -> Json<Value> {
    let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
    Json(json!(format!("Hello, {name}!")))
}
