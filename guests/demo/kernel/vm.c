/*
 * vm.c - page tables and page faults.
 *
 * A process has four areas. None of their pages is mapped when it starts; each
 * comes with the first access to it:
 *   - text, and data not yet written: the user image's own page, shared, read-only;
 *   - bss, heap and stack: for a load the zero page, shared, read-only;
 *   - a store: a page of the process's own, copied from whichever it replaces.
 * A store to a shared page that is already mapped raises "TLB modified"; a first
 * access raises "TLB invalid". Both end in space_fault().
 */
#include "kernel.h"

extern char user_image[];

/* What the user image starts with (user/crt.S). Sizes are whole pages. */
struct image_header {
  u32 entry, text_size, data_size, bss_size;
};

u32 *current_pgd;
u32 *kernel_pgd;
static u32 *no_table;   /* what empty pgd slots point at: PTEs that are all zero */
static void *zero_page;
static u32 *kernel_table; /* the PTEs of the one table that KSEG2 uses */

static u32 pte_make(const void *page, u32 bits) {
  return ((u32)page - KSEG0) | PTE_CACHED | PTE_V | PTE_PRESENT | bits;
}

static void *pte_page(u32 pte) { return (void *)(KSEG0 + (pte & -PAGE_SIZE)); }

static u32 *pgd_create(void) {
  u32 *pgd = palloc();
  if (pgd == NULL) return NULL;
  for (u32 i = 0; i < PGD_ENTRIES; i++) pgd[i] = (u32)no_table;
  /* Every space shows the kernel's mapped segment, through the same table. */
  pgd[(u32)KSEG2 >> PGD_SHIFT] = (u32)kernel_table;
  return pgd;
}

void vm_init(void) {
  no_table = palloc();
  zero_page = palloc();
  kernel_table = palloc();
  /* G counts only if both PTEs of a pair have it, so all of them do from the start. */
  for (u32 i = 0; i < PTES_PER_TABLE; i++) kernel_table[i] = PTE_G;
  kernel_pgd = pgd_create();
  current_pgd = kernel_pgd;
}

/* The PTE of a user address. Without a table: NULL, or a new table if `create`. */
static u32 *walk(struct space *space, u32 va, bool create) {
  u32 *slot = &space->pgd[va >> PGD_SHIFT];
  if (*slot == (u32)no_table) {
    u32 *table = create ? palloc() : NULL;
    if (table == NULL) return NULL;
    space->tables++;
    *slot = (u32)table;
  }
  return (u32 *)*slot + ((va >> PAGE_SHIFT) & (PTES_PER_TABLE - 1));
}

bool space_create(struct space *space) {
  const struct image_header *header = (const struct image_header *)user_image;
  u32 data = USER_TEXT + header->text_size;
  u32 image = (u32)user_image;

  memset(space, 0, sizeof *space);
  space->pgd = pgd_create();
  space->areas[AREA_TEXT] =
      (struct area){"text", USER_TEXT, data, false, image, header->text_size};
  space->areas[AREA_DATA] = (struct area){"data", data,
                                          data + header->data_size + header->bss_size, true,
                                          image + header->text_size, header->data_size};
  space->areas[AREA_HEAP] = (struct area){"heap", USER_HEAP, USER_HEAP, true, 0, 0};
  space->areas[AREA_STACK] =
      (struct area){"stack", USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_TOP, true, 0, 0};
  return space->pgd != NULL;
}

/*
 * The TLB may still hold entries of this space. They are harmless: its ASID is not
 * given out again before the whole TLB has been flushed.
 */
void space_free(struct space *space) {
  current_pgd = kernel_pgd;
  for (u32 i = 0; i < PGD_ENTRIES; i++) {
    u32 *table = (u32 *)space->pgd[i];
    if (table == no_table || table == kernel_table) continue;
    for (u32 j = 0; j < PTES_PER_TABLE; j++)
      if ((table[j] & (PTE_PRESENT | PTE_SHARED)) == PTE_PRESENT) pfree(pte_page(table[j]));
    pfree(table);
  }
  pfree(space->pgd);
  space->pgd = NULL;
  space->pages = space->tables = 0;
}

void space_activate(struct space *space) {
  current_pgd = space->pgd;
  asid_activate(&space->asid);
}

static const struct area *find_area(const struct space *space, u32 va) {
  for (u32 i = 0; i < AREAS; i++)
    if (va >= space->areas[i].start && va < space->areas[i].end) return &space->areas[i];
  return NULL;
}

/* Whether all of va..va+length may be read. */
bool space_allows(const struct space *space, u32 va, u32 length) {
  const struct area *area = find_area(space, va);
  return area != NULL && length <= area->end - va;
}

/* The shared page that holds what an untouched page of an area contains. */
static void *initial_page(const struct area *area, u32 va) {
  u32 offset = (va & -PAGE_SIZE) - area->start;
  return offset < area->image_size ? (void *)(area->image + offset) : zero_page;
}

/* Make an access possible. False: it is not allowed, or memory has run out. */
bool space_fault(struct space *space, u32 va, bool store) {
  const struct area *area = find_area(space, va);
  if (area == NULL || (store && !area->writable)) return false;
  u32 *pte = walk(space, va, true);
  if (pte == NULL) return false;

  if (!(*pte & PTE_PRESENT)) *pte = pte_make(initial_page(area, va), PTE_SHARED);
  if (store && (*pte & PTE_SHARED)) {
    void *page = palloc();
    if (page == NULL) return false;
    if (pte_page(*pte) == zero_page) {
      stats.zero_fills++;
    } else {
      memcpy(page, pte_page(*pte), PAGE_SIZE);
      stats.copies++;
    }
    *pte = pte_make(page, PTE_D);
    space->pages++;
  }
  tlb_update(va, pte); /* or the access would hit the same TLB entry again */
  return true;
}

/* The kernel's mapped segment: zero-filled memory where the trace buffer is. */
bool kernel_fault(u32 va) {
  if (va < (u32)KSEG2 || va >= (u32)KSEG2 + TRACE_SIZE) return false;
  u32 *pte = kernel_table + ((va - (u32)KSEG2) >> PAGE_SHIFT);
  if (!(*pte & PTE_PRESENT)) {
    void *page = palloc();
    if (page == NULL) return false;
    *pte = pte_make(page, PTE_G | PTE_D);
  }
  tlb_update(va, pte);
  return true;
}

/* How many of an area's pages are mapped, shared ones included. */
u32 space_resident(const struct space *space, const struct area *area) {
  u32 count = 0;
  for (u32 va = area->start; va < area->end; va += PAGE_SIZE) {
    const u32 *pte = walk((struct space *)space, va, false);
    if (pte != NULL && (*pte & PTE_PRESENT)) count++;
  }
  return count;
}
