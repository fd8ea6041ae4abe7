;; Grows a table, which is memory that no memory limit sees, until it is refused; then traps.
(module
  (memory (export "memory") 1)
  (table $hoard 0 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (table.grow $hoard (ref.null func) (i32.const 1000)) (i32.const -1))))
    unreachable))
