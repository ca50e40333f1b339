;; What `muster doctor` runs: one function for each way to want more than is allowed.
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $pollable (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))

  (core func $wait (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))

  (core module $code
    (import "host" "wait" (func $wait (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (memory (export "memory") 1)
    (table 1 funcref)
    ;; Computes for ever.
    (func (export "spin") (loop $again (br $again)))
    ;; Calls itself for ever.
    (func $deeper (export "recurse") (call $deeper) (call $deeper))
    ;; Pages of memory more; whether there were as many.
    (func (export "grow") (param i32) (result i32)
      (i32.ne (memory.grow (local.get 0)) (i32.const -1)))
    ;; Elements of a table more; whether there were as many.
    (func (export "widen") (param i32) (result i32)
      (i32.ne (table.grow (ref.null func) (local.get 0)) (i32.const -1)))
    ;; Gives a text of so many bytes, all of them zero.
    (func (export "text") (param i32) (result i32)
      (drop (memory.grow (i32.add (i32.shr_u (local.get 0) (i32.const 16)) (i32.const 1))))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0))
    ;; Waits so many nanoseconds in a host function.
    (func (export "wait") (param i64) (call $block (call $wait (local.get 0))))
    ;; Asks for as many waits at a time as it gets.
    (func (export "hoard") (loop $again (drop (call $wait (i64.const 1000000000000))) (br $again)))
    ;; Writes to so many pages of memory.
    (func (export "touch") (param i32)
      (local $at i32)
      (loop $again
        (i32.store (i32.add (i32.const 64) (local.get $at)) (i32.const 1))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (br_if $again (i32.lt_u (local.get $at) (i32.mul (local.get 0) (i32.const 4096))))))
    (func (export "trap") unreachable)
  )
  (core instance $code (instantiate $code
    (with "host" (instance (export "wait" (func $wait)) (export "block" (func $block))))))

  (func (export "spin") (canon lift (core func $code "spin")))
  (func (export "recurse") (canon lift (core func $code "recurse")))
  (func (export "grow") (param "pages" u32) (result bool) (canon lift (core func $code "grow")))
  (func (export "widen") (param "elements" u32) (result bool) (canon lift (core func $code "widen")))
  (func (export "text") (param "bytes" u32) (result string)
    (canon lift (core func $code "text") (memory (core memory $code "memory"))))
  (func (export "wait") (param "nanoseconds" u64) (canon lift (core func $code "wait")))
  (func (export "hoard") (canon lift (core func $code "hoard")))
  (func (export "touch") (param "pages" u32) (canon lift (core func $code "touch")))
  (func (export "trap") (canon lift (core func $code "trap")))
)
