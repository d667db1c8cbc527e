/** Guest memory when the configuration names none. */
export const DEFAULT_MEMORY = 256 << 20;
/** RAM that the hypervisor keeps for itself under trap and emulate: page tables, vcpus, generated code. */
export const HYPERVISOR_MEMORY = 16 << 20;
/** What the board's physical address map can show of RAM, from 80000000 up. */
export const MAX_MEMORY = 2 ** 31 - HYPERVISOR_MEMORY;
/** Most guest ASIDs whose page tables are kept: roots of both modes then take half of the host's 256 ASIDs. */
export const MAX_GVA_ROOTS = 64;
/** Guest memory is handed out in these units. */
export const MEMORY_UNIT = 1 << 20;
