;; Which requests are in progress, and the end of those that the decision workers no longer let pass.
;; Runs in Envoy, one of it per thread. Decides nothing, and keeps of a request its number only.
;;
;; Twice a second it asks a worker about every request that is in progress for as long, and resets those that the worker
;; names (ext_authz/in_progress.py is the other side). A request that ends before costs an entry in a table. Where no
;; good answer comes for half a minute all of them are reset: nobody knows any more who may go on.
;;
;; ABI: proxy-wasm 0.2.1. `make filter` makes stream_watch.wasm of this.
(module
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick_each (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $speak_for (param $id i32) (result i32)))
  (import "env" "proxy_get_property"
    (func $property (param $path i32) (param $length i32) (param $to i32) (param $to_length i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $ask (param i32 i32) (param i32 i32) (param i32 i32) (param i32 i32) (param i32) (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes"
    (func $buffer (param $kind i32) (param $from i32) (param $most i32) (param $to i32) (param $to_length i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $answer (param i32) (param i32 i32) (param i32 i32) (param i32 i32) (param i32) (result i32)))

  ;; 0x00000 texts and places for results; 0x10000 the table; 0x110000 what is asked and answered
  (memory (export "memory") 48)
  (data (i32.const 0x000) "decision")
  ;; three headers, as pairs: their number, the lengths, then each name and value with a zero behind
  (data (i32.const 0x010) "\03\00\00\00" "\07\00\00\00\04\00\00\00" "\05\00\00\00\0c\00\00\00" "\0a\00\00\00\08\00\00\00"
    ":method\00POST\00" ":path\00/in-progress\00" ":authority\00decision\00")
  (data (i32.const 0x080) "filter_state\00authz.question")
  (data (i32.const 0x0a0) "filter_state\00authz.peer")
  (data (i32.const 0x0c0) "no_longer_allowed")
  (data (i32.const 0x0e0) "nobody_could_tell")

  (global $slots i32 (i32.const 0x10000)) ;; 131,072: Envoy's heap limit is reached before so many are in progress
  (global $mask i32 (i32.const 0x1ffff))
  (global $room i32 (i32.const 0x110000))
  (global $room_end i32 (i32.const 0x300000))
  (global $enough i32 (i32.const 0x118000)) ;; 32 KiB in one question, and what the last one has above it; a worker takes 256 KiB
  (global $cursor (mut i32) (i32.const 0x110000))
  (global $live (mut i32) (i32.const 0))
  (global $position (mut i32) (i32.const 0)) ;; the slot at which the round is
  (global $asking (mut i32) (i32.const 0))
  (global $unheard (mut i32) (i32.const 0)) ;; ticks since the last round was over

  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $tick_each (i32.const 500)))
    (i32.const 1))

  ;; The host writes what we ask it for to where we write ourselves. 0: no room, and it writes nothing.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.sub (global.get $room_end) (global.get $cursor)))
      (then (return (i32.const 0))))
    (global.get $cursor)
    (global.set $cursor (i32.add (global.get $cursor) (local.get $size))))

  ;; The table: open addressing, the home of a number is its last 17 bits. A slot is (number, seen before?), 0 is free.
  (func $slot (param $index i32) (result i32)
    (i32.add (global.get $slots) (i32.shl (i32.and (local.get $index) (global.get $mask)) (i32.const 3))))

  (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
    (local $at i32)
    (if (i32.eqz (local.get $parent)) (then (return)))
    (if (i32.gt_u (global.get $live) (i32.const 0x1fff0)) (then unreachable))
    (local.set $at (local.get $id))
    (block $free
      (loop $next
        (br_if $free (i32.eqz (i32.load (call $slot (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i64.store (call $slot (local.get $at)) (i64.extend_i32_u (local.get $id)))
    (global.set $live (i32.add (global.get $live) (i32.const 1))))

  ;; Who stands behind the hole and may stand in it moves there, so that no search ends too early.
  (func (export "proxy_on_delete") (param $id i32)
    (local $hole i32) (local $at i32)
    (local.set $hole (local.get $id))
    (block $found
      (loop $next
        (br_if $found (i32.eq (i32.load (call $slot (local.get $hole))) (local.get $id)))
        (if (i32.eqz (i32.load (call $slot (local.get $hole)))) (then (return)))
        (local.set $hole (i32.add (local.get $hole) (i32.const 1)))
        (br $next)))
    (global.set $live (i32.sub (global.get $live) (i32.const 1)))
    (local.set $at (local.get $hole))
    (block $end
      (loop $next
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $end (i32.eqz (i32.load (call $slot (local.get $at)))))
        (br_if $next (i32.lt_u
          (i32.and (i32.sub (local.get $at) (i32.load (call $slot (local.get $at)))) (global.get $mask))
          (i32.and (i32.sub (local.get $at) (local.get $hole)) (global.get $mask))))
        (i64.store (call $slot (local.get $hole)) (i64.load (call $slot (local.get $at))))
        (local.set $hole (local.get $at))
        (br $next)))
    (i64.store (call $slot (local.get $hole)) (i64.const 0)))

  (func (export "proxy_on_tick") (param i32)
    (if (i32.eqz (global.get $live)) (then (global.set $unheard (i32.const 0)) (return)))
    (global.set $unheard (i32.add (global.get $unheard) (i32.const 1)))
    (if (i32.gt_u (global.get $unheard) (i32.const 60)) (then (call $end_all) (return)))
    (if (global.get $asking) (then (return)))
    (global.set $position (i32.const 0))
    (call $ask_on))

  ;; The next question of the round, one at a time, so that others who ask the worker need not wait.
  (func $ask_on
    (local $at i32)
    (global.set $cursor (global.get $room))
    (block $full
      (loop $next
        (br_if $full (i32.gt_u (global.get $position) (global.get $mask)))
        (br_if $full (i32.gt_u (global.get $cursor) (global.get $enough)))
        (local.set $at (call $slot (global.get $position)))
        (global.set $position (i32.add (global.get $position) (i32.const 1)))
        (br_if $next (i32.eqz (i32.load (local.get $at))))
        (if (i32.load offset=4 (local.get $at))
          (then (call $put (i32.load (local.get $at))))
          (else (i32.store offset=4 (local.get $at) (i32.const 1))))
        (br $next)))
    (if (i32.eq (global.get $cursor) (global.get $room)) (then (global.set $unheard (i32.const 0)) (return)))
    (global.set $asking (i32.eqz (call $ask
      (i32.const 0x000) (i32.const 8) (i32.const 0x010) (i32.const 80)
      (global.get $room) (i32.sub (global.get $cursor) (global.get $room))
      (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 0x200)))))

  ;; One request: its number, then two texts, each behind its length.
  (func $put (param $id i32)
    (if (call $speak_for (local.get $id)) (then (return)))
    (i32.store (global.get $cursor) (local.get $id))
    (global.set $cursor (i32.add (global.get $cursor) (i32.const 4)))
    (call $put_property (i32.const 0x080) (i32.const 27))
    (call $put_property (i32.const 0x0a0) (i32.const 23)))

  (func $put_property (param $path i32) (param $length i32)
    (local $start i32)
    (local.set $start (global.get $cursor))
    (global.set $cursor (i32.add (local.get $start) (i32.const 4)))
    (if (call $property (local.get $path) (local.get $length) (i32.const 0x200) (i32.const 0x204))
      (then (global.set $cursor (i32.add (local.get $start) (i32.const 4)))))
    (i32.store (local.get $start) (i32.sub (global.get $cursor) (i32.add (local.get $start) (i32.const 4)))))

  ;; A good answer is "ends" and the numbers. After another one, or none, the next tick begins anew.
  (func (export "proxy_on_http_call_response")
    (param $root i32) (param $call i32) (param $headers i32) (param $size i32) (param $trailers i32)
    (local $at i32) (local $end i32)
    (global.set $asking (i32.const 0))
    (if (i32.lt_u (local.get $size) (i32.const 4)) (then (return)))
    (global.set $cursor (global.get $room))
    (if (call $buffer (i32.const 4) (i32.const 0) (local.get $size) (i32.const 0x200) (i32.const 0x204)) (then (return)))
    (local.set $at (i32.load (i32.const 0x200)))
    (if (i32.ne (i32.load (local.get $at)) (i32.const 0x73646e65)) (then (return))) ;; "ends"
    (local.set $end (i32.add (local.get $at) (i32.and (i32.load (i32.const 0x204)) (i32.const -4))))
    (block $done
      (loop $next
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (call $end (i32.load (local.get $at)) (i32.const 403) (i32.const 0x0c0))
        (br $next)))
    (call $ask_on))

  (func $end_all
    (local $index i32)
    (loop $each
      (if (i32.load (call $slot (local.get $index)))
        (then (call $end (i32.load (call $slot (local.get $index))) (i32.const 503) (i32.const 0x0e0))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $each (i32.le_u (local.get $index) (global.get $mask)))))

  ;; An answer where none has begun; else a reset. Done by the host when we have returned.
  (func $end (param $id i32) (param $status i32) (param $why i32)
    (if (i32.eqz (call $speak_for (local.get $id)))
      (then (drop (call $answer
        (local.get $status) (local.get $why) (i32.const 17)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))))))
)
