;; Not hostile: the smallest component that succeeds. Parts that attack are added to it.
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))

  ;; Gives out memory upwards, never takes it back, and grows when it has to.
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and
      (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $start) (local.get $new)))
    (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 1)))))
    (local.get $start))

  ;; At address 0 all is zero: `ok(succeeded)`.
  (func (export "execute") (param $run i32) (result i32)
    (i32.const 0)))
