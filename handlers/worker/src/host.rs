//! What the platform alone knows: the time, chance, the environment, timers.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use js_sys::{JSON, Reflect};
use ssedge::route::Deployment;
use ssedge::settings::{BadSetting, Host, LogLevel};
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::WorkerGlobalScope;
use worker::{Date, Env};

/// What the platform calls with an event, or with nothing.
pub type Callback = Closure<dyn FnMut(JsValue)>;

/// A callback as the platform takes it.
pub fn function(callback: &Callback) -> &js_sys::Function {
    callback.as_ref().unchecked_ref()
}

/// The current time, which in a Worker stands still between two events.
pub fn now() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}

/// A seed for what a stream draws.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "random is in [0, 1)")]
pub fn seed() -> u64 {
    const SPAN: f64 = (1_u64 << 53) as f64;
    (js_sys::Math::random() * SPAN) as u64
}

/// The deployment, read once per isolate: its environment never changes.
pub fn deployment(env: &Env) -> Result<Rc<Deployment>, BadSetting> {
    thread_local! {
        static DEPLOYMENT: OnceCell<Result<Rc<Deployment>, BadSetting>> = const { OnceCell::new() };
    }
    // wrangler.toml may hold a number or a boolean and the core wants its text.
    let lookup = |name: &str| {
        let value = Reflect::get(env, &name.into()).ok().filter(|value| !value.is_undefined())?;
        value.as_string().or_else(|| JSON::stringify(&value).ok().map(String::from))
    };
    let read = || Deployment::read(Host::Worker, lookup).map(Rc::new);
    DEPLOYMENT.with(|deployment| deployment.get_or_init(read).clone())
}

/// The address of the client, which Cloudflare writes over whatever the client itself said.
pub fn address(headers: &http::HeaderMap) -> Option<&str> {
    headers.get("cf-connecting-ip").and_then(|address| address.to_str().ok())
}

/// Writes a line of this weight, if the deployment wants such lines.
pub fn log(wanted: LogLevel, weight: LogLevel, line: &str) {
    match weight {
        _ if weight > wanted => {}
        LogLevel::Error => worker::console_error!("{line}"),
        LogLevel::Warn => worker::console_warn!("{line}"),
        _ => worker::console_log!("{line}"),
    }
}

/// The one timer of a stream. It is moved only to an earlier time: one that finds nothing to do is cheaper than one per
/// message.
#[derive(Default)]
pub struct Timer(Cell<Option<(i32, UnixMillis)>>);

impl Timer {
    /// Calls back at this time, or before.
    pub fn arm(&self, at: UnixMillis, callback: &Callback) {
        if self.is_due_by(at) {
            return;
        }
        self.cancel();
        let millis = i32::try_from(at.since(now()).as_millis()).unwrap_or(i32::MAX);
        let handle = global()
            .set_timeout_with_callback_and_timeout_and_arguments_0(function(callback), millis)
            .expect("setTimeout throws only for what is no function");
        self.0.set(Some((handle, at)));
    }

    /// Whether it calls back at this time, or before.
    pub fn is_due_by(&self, at: UnixMillis) -> bool {
        self.0.get().is_some_and(|(_, armed)| armed <= at)
    }

    /// It has called back, or never will: its request has ended.
    pub fn forget(&self) {
        self.0.set(None);
    }

    pub fn cancel(&self) {
        if let Some((handle, _)) = self.0.take() {
            global().clear_timeout_with_handle(handle);
        }
    }
}

/// Has something done behind all that follows from this event.
pub fn after_this(what: impl FnOnce() + 'static) {
    let what = Closure::once_into_js(what);
    global()
        .set_timeout_with_callback_and_timeout_and_arguments_0(what.unchecked_ref(), 0)
        .expect("setTimeout throws only for what is no function");
}

fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
