//! Remembers where an assertion failed, for the report.

use std::any::Any;
use std::cell::RefCell;

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Records the place of later panics instead of printing them.
pub fn record() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!("{}:{}: ", at.file(), at.line()));
        PLACE.with_borrow_mut(|last| *last = place.unwrap_or_default());
    }));
}

/// The text of a panic that this thread has caught, with its place.
#[must_use]
pub fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("panic");
    PLACE.with_borrow(|place| format!("{place}{text}"))
}
