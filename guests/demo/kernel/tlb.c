/*
 * tlb.c - the TLB as C sees it, and the ASIDs that tag its entries.
 */
#include "kernel.h"

u32 tlb_entries;

/*
 * An address space's ASID is a generation (upper bits) and the 8 bits that EntryHi
 * holds. When the 8 bits run out the whole TLB is flushed and a new generation
 * starts: every space of an older one has to get a new ASID before it runs. ASID 0
 * is never given out, and a space that never ran has generation 0.
 */
#define FIRST_GENERATION (ENTRYHI_ASID + 1)
static u32 last_asid = FIRST_GENERATION;
static u32 live_asid; /* what EntryHi holds while no TLB operation is under way */

#define PAIR_MASK (2 * PAGE_SIZE - 1)

#define CONFIG_MORE 0x80000000 /* M: the next Config register exists */
#define CONFIG4_MMU_EXT_DEF(config4) (((config4) >> 14) & 3)
#define MMU_SIZE_EXT 1 /* MMUExtDef: the lower 8 bits extend Config1.MMUSize upwards */

/* What a large TLB has beyond Config1.MMUSize's 6 bits. */
static u32 mmu_size_ext(void) {
  if (!(read_config1() & read_config2() & read_config3() & CONFIG_MORE)) return 0;
  u32 config4 = read_config4();
  return CONFIG4_MMU_EXT_DEF(config4) == MMU_SIZE_EXT ? config4 & 255 : 0;
}

void tlb_init(void) {
  tlb_entries = (mmu_size_ext() << 6 | ((read_config1() >> 25) & 63)) + 1; /* Config1.MMUSize */
  write_pagemask(PAGEMASK_VALUE);
  write_wired(0);
  tlb_flush();
}

/* Each entry gets an address of its own that is never looked up: KSeg0's. */
void tlb_flush(void) {
  write_entrylo0(0);
  write_entrylo1(0);
  for (u32 i = 0; i < tlb_entries; i++) {
    write_index(i);
    write_entryhi(KSEG0 + i * 2 * PAGE_SIZE);
    hazard();
    tlb_write_indexed();
  }
  write_entryhi(live_asid);
  hazard();
}

/* A PTE changed: if the TLB holds the pair, rewrite it. If not, a refill will bring it. */
void tlb_update(u32 va, const u32 *pte) {
  const u32 *pair = (const u32 *)((u32)pte & ~7);
  write_entryhi((va & ~PAIR_MASK) | live_asid);
  hazard();
  tlb_probe();
  if ((int)read_index() >= 0) {
    write_entrylo0(pair[0] >> PTE_TO_ENTRYLO);
    write_entrylo1(pair[1] >> PTE_TO_ENTRYLO);
    hazard();
    tlb_write_indexed();
  }
}

/* Put the space's ASID into EntryHi, giving it a new one if its own is out of date. */
u32 asid_activate(u32 *asid) {
  if ((*asid ^ last_asid) & ~ENTRYHI_ASID) {
    if ((++last_asid & ENTRYHI_ASID) == 0) {
      stats.asid_rollovers++;
      last_asid++; /* skip 0 */
      tlb_flush();
    }
    stats.asids++;
    *asid = last_asid;
  }
  u32 tag = *asid & ENTRYHI_ASID;
  if (tag != live_asid) {
    live_asid = tag;
    write_entryhi(tag);
    hazard();
  }
  return tag;
}

static void print_half(u32 lo) {
  if (lo & ENTRYLO_V)
    print("  %08x c%u %s", (lo >> 6) << 12, (lo >> 3) & 7, lo & ENTRYLO_D ? "rw" : "r-");
  else
    print("  -               ");
}

void tlb_dump(void) {
  u32 shown = 0;
  print("index  virtual   asid  even page        odd page\n");
  for (u32 i = 0; i < tlb_entries; i++) {
    write_index(i);
    hazard();
    tlb_read(); /* overwrites EntryHi and PageMask, restored below */
    u32 hi = read_entryhi(), lo0 = read_entrylo0(), lo1 = read_entrylo1();
    if (!((lo0 | lo1) & ENTRYLO_V)) continue;
    print("%5u  %08x", i, hi & ~PAIR_MASK);
    if (lo0 & lo1 & ENTRYLO_G) print("  all ");
    else print("  %4u", hi & ENTRYHI_ASID);
    print_half(lo0);
    print_half(lo1);
    print("\n");
    shown++;
  }
  write_pagemask(PAGEMASK_VALUE);
  write_entryhi(live_asid);
  hazard();
  print("%u of %u entries map something\n", shown, tlb_entries);
}
