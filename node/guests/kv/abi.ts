/** What the machine offers; docs/guest-abi.md describes it. */
@external("faultline", "block_read")
export declare function block_read(volume: i32, lba: i32, target: usize): void;
@external("faultline", "block_write")
export declare function block_write(volume: i32, lba: i32, source: usize): void;
@external("faultline", "block_count")
export declare function block_count(volume: i32): i32;
@external("faultline", "flush")
export declare function flush(): void;
@external("faultline", "send")
export declare function send(session: u32, source: usize, length: u32): void;
@external("faultline", "close")
export declare function close(session: u32): void;
@external("faultline", "reset")
export declare function reset(session: u32): void;
@external("faultline", "now")
export declare function now(): i64;
@external("faultline", "random")
export declare function random(target: usize, length: u32): void;
@external("faultline", "set_timer")
export declare function set_timer(at: i64): void;
@external("faultline", "console")
export declare function consoleLine(source: usize, length: u32): void;
