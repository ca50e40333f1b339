;; What a call leaves in its memory and in its table, and whether a later call finds any of it.
;; The table has so many elements as the reader of this file puts in the place of ELEMENTS.
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
    ;; More than stays resident between calls: 32 pages are 2 MiB.
    (memory 32)
    ;; Initialised data: these pages come from the image of the component. It begins after the first page of 4 KiB.
    (data (i32.const 4096) "\11\11\11\11\11\11\11\11")
    (table $table ELEMENTS funcref)
    (func $secret)
    (elem declare func $secret)
    ;; Fills memory and table, then waits so many nanoseconds in a host function.
    (func (export "leave") (param i64)
      (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 2097152))
      (table.fill $table (i32.const 0) (ref.func $secret) (i32.const ELEMENTS))
      (call $block (call $wait (local.get 0))))
    ;; Words of memory that have what `leave` writes, and elements of the table that are no null.
    (func (export "count") (result i32)
      (local $at i32)
      (local $found i32)
      (loop $words
        (if (i64.eq (i64.load (local.get $at)) (i64.const 0xa5a5a5a5a5a5a5a5))
          (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $words (i32.lt_u (local.get $at) (i32.const 2097152))))
      (local.set $at (i32.const 0))
      (loop $elements
        (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
          (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $elements (i32.lt_u (local.get $at) (i32.const ELEMENTS))))
      (local.get $found))
  )
  (core instance $code (instantiate $code
    (with "host" (instance (export "wait" (func $wait)) (export "block" (func $block))))))

  (func (export "leave") (param "nanoseconds" u64) (canon lift (core func $code "leave")))
  (func (export "count") (result u32) (canon lift (core func $code "count")))
)
