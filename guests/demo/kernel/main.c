/* main.c - boot, in order. */
#include "kernel.h"

struct stats stats;

/* A YAMON pointer, whichever segment it names, as a pointer this kernel can follow. */
static const void *yamon_pointer(u32 address) {
  return (const void *)(KSEG0 + (address & PHYSICAL_MASK));
}

/* The value of a YAMON environment variable: envp holds name, value, name, value, 0. */
static const char *yamon_variable(u32 envp, const char *name) {
  if (envp == 0) return NULL;
  for (const u32 *pair = yamon_pointer(envp); pair[0] != 0 && pair[1] != 0; pair += 2)
    if (strcmp(yamon_pointer(pair[0]), name) == 0) return yamon_pointer(pair[1]);
  return NULL;
}

#define MEMORY_DEFAULT (32u << 20)
#define MEMORY_HIGH (256u << 20) /* above this Malta has devices */

static u32 memory_size(u32 envp) {
  const char *text = yamon_variable(envp, "memsize");
  u32 bytes;
  if (text == NULL || !parse_number(text, &bytes)) return MEMORY_DEFAULT;
  return bytes < MEMORY_HIGH ? bytes : MEMORY_HIGH;
}

#if defined(MAP_TE)
#define MAP_NAME "trap-and-emulate map"
#else
#define MAP_NAME "bare MIPS map"
#endif

void main(u32 argc, u32 argv, u32 envp) {
  (void)argc;
  (void)argv;
  console_init();
  print("\nkseg demo guest, %s, %u KiB pages\n", MAP_NAME, PAGE_SIZE / 1024);
  palloc_init(memory_size(envp));
  trap_init();
  tlb_init();
  vm_init();
  print("%u MiB of memory, %u TLB entries, processor %08x\n", memory.total / (1048576 / PAGE_SIZE),
        tlb_entries, read_prid());
  irq_init();
  /* Not before: the interrupt controller sees edges, and would miss one that rises while it is set up. */
  console_open();
  proc_init();
  timer_init();

  thread_create("monitor", monitor);
  idle(); /* this stack becomes the idle thread's */
}
