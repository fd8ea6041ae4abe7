;; Succeeds, and reports something else when it is told that its result has been read.
(module
  (import "blockhouse:block/progress@0.1.0" "summarize" (func $summarize (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "beforehand")
  (data (i32.const 96) "afterwards")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32)
    (call $summarize (i32.const 64) (i32.const 10))
    (i32.const 0))
  (func (export "cabi_post_execute") (param i32)
    (call $summarize (i32.const 96) (i32.const 10))))
