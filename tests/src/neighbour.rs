//! A neighbour of those who misbehave: somebody who calls a good command without a pause, and must get every answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::Host;

/// Says that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` while ann calls `hello` without a pause; gives how often she was served.
pub fn beside_a_neighbour(host: &Host, work: impl FnOnce()) -> usize {
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let answer = host.call("ann", "hello", &json!({"name": "Ada"}));
                assert_eq!(answer.value(), "Hello, Ada!", "{}", answer.status);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Set also when the work fails: the neighbour would go on for ever.
        let _over = Over(&done);
        work();
    });
    served.into_inner()
}
