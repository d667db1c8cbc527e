/*
 * tour.c - the workloads one after another, with a word on what happens below the
 * kernel meanwhile, and at the end a table of what each cost.
 */
#include "kernel.h"

#if defined(MAP_TE)
#define TEXT(te, bare) te
#else
#define TEXT(te, bare) bare
#endif

struct stop {
  const char *title, *text;
  bool (*run)(struct result *result);
};

/* Sizes relative to this machine's TLB, whose entries map two pages each, as far as memory goes. */
static u32 pages_few(void) { return tlb_entries / 2; }
static u32 pages_fitting(void) { return tlb_entries * 3 / 2; }
static u32 pages_many(void) {
  u32 pages = tlb_entries * 4, most = memory.free / 2;
  return pages < most ? pages : most;
}

static bool stop_spin(struct result *result) { return measure_spin(1000000, result); }
static bool stop_rdhwr(struct result *result) { return measure_rdhwr(10000, result); }
static bool stop_syscall(struct result *result) { return measure_syscalls(10000, result); }
static bool stop_few(struct result *result) { return measure_touch(pages_few(), 1000, result); }
static bool stop_fitting(struct result *result) { return measure_touch(pages_fitting(), 500, result); }
static bool stop_many(struct result *result) { return measure_touch(pages_many(), 40, result); }
static bool stop_demand(struct result *result) { return measure_demand(256, result); }
static bool stop_asid(struct result *result) { return measure_pingpong(1000, 16, result); }
static bool stop_churn(struct result *result) { return measure_processes(300, result); }

static const struct stop stops[] = {
    {"integer loop",
     TEXT("A user process counts. It needs nothing from the kernel, and the kernel needs\n"
          "nothing from the hypervisor: the code runs on the host CPU as it is. Only the\n"
          "clock interrupts it, every 10 ms.\n",
          "A user process counts. Only the clock interrupts it, every 10 ms.\n"),
     stop_spin},
    {"rdhwr from user mode",
     TEXT("RDHWR reads Count. The hypervisor must not show the host's Count to the guest,\n"
          "so each read traps and is answered with the guest's.\n",
          "RDHWR reads Count. HWREna allows it in user mode, so nothing traps.\n"),
     stop_rdhwr},
    {"system calls",
     TEXT("SYSCALL goes to the host's vector. The hypervisor sets the guest's EPC, Cause\n"
          "and Status as the CPU would and continues at the guest's vector; the guest's\n"
          "ERET traps as well. Guest user and guest kernel mode have a host ASID each, so\n"
          "nothing is flushed on the way.\n",
          "SYSCALL enters the kernel, ERET leaves it. The TLB is left alone.\n"),
     stop_syscall},
    {"touch: few pages",
     TEXT("A process touches pages that fit its TLB easily. Once the guest TLB and the\n"
          "page tables that shadow it know them, the guest takes no more refills.\n",
          "A process touches pages that fit the TLB easily: no refills once they are in.\n"),
     stop_few},
    {"touch: most of the TLB",
     TEXT("More pages: they still fit the guest's TLB, which is software, but maybe not\n"
          "the host's. The host then misses again and again, and its generated handler\n"
          "refills it from the shadow page tables. The guest notices nothing: its refills\n"
          "stay few.\n",
          "More pages, which just fit the TLB together with those of the kernel.\n"),
     stop_fitting},
    {"touch: beyond the TLB",
     TEXT("Now the guest's own TLB is too small. The host's miss finds no shadow entry,\n"
          "the hypervisor finds nothing in the guest TLB and delivers a refill exception\n"
          "to the guest, whose handler reads CP0, walks its page table and writes its TLB;\n"
          "that write retires an older entry from the shadow tables.\n",
          "The TLB is too small: every pair of pages costs a run of the refill handler.\n"),
     stop_many},
    {"first touches",
     TEXT("Pages touched for the first time, by a load and then by a store. The load finds\n"
          "an invalid entry and gets the shared zero page; the store raises TLB modified,\n"
          "and the kernel copies. Each is delivered into the guest by the hypervisor.\n",
          "Pages touched for the first time: the load gets the shared zero page, the store\n"
          "raises TLB modified, and the kernel makes a page of the process's own.\n"),
     stop_demand},
    {"context switches",
     TEXT("Two processes take turns. The hypervisor keeps shadow tables for the guest\n"
          "ASIDs used last, so writing another ASID to EntryHi changes tables. With a\n"
          "single one (kseg run --gva-roots 1) it drops the shadow entries of the old\n"
          "ASID: to get them back costs the hypervisor work, but the guest no refills.\n",
          "Two processes take turns. Their ASIDs keep their TLB entries apart.\n"),
     stop_asid},
    {"short-lived processes",
     TEXT("Processes start and end. After 255 of them the ASIDs are used up: the kernel\n"
          "flushes the whole TLB, entry by entry, and begins anew.\n",
          "Processes start and end. After 255 of them the ASIDs are used up: the kernel\n"
          "flushes the whole TLB, entry by entry, and begins anew.\n"),
     stop_churn},
};

static void table(const struct result *results) {
  print("What each took, in ticks of Count, and the exceptions it met:\n\n");
  print("%-22s%8s %7s%8s%8s%8s%9s%9s\n", "workload", "number", "ticks", "each", "refills", "invalid",
        "modified", "switches");
  for (u32 i = 0; i < COUNT_OF(stops); i++) {
    const struct result *result = &results[i];
    print("%-22s%8u %7u", stops[i].title, result->operations, result->count);
    print_ratio(result->count, result->operations, 8);
    print("%8u%8u%9u%9u\n", result->stats.refills,
          result->stats.invalid_loads + result->stats.invalid_stores, result->stats.modified,
          result->stats.switches);
  }
}

void run_tour(int argc, char **argv) {
  static struct result results[COUNT_OF(stops)];
  (void)argc, (void)argv;
  print("\nThis kernel has %u TLB entries of two %u KiB pages each. It runs %u workloads.\n", tlb_entries,
        PAGE_SIZE / 1024, (u32)COUNT_OF(stops));
  for (u32 i = 0; i < COUNT_OF(stops); i++) {
    struct result *result = &results[i];
    print("\n%u. %s\n%s", i + 1, stops[i].title, stops[i].text);
    if (!stops[i].run(result)) return;
    print("-> %u in %u ticks, ", result->operations, result->count);
    print_ratio(result->count, result->operations, 0);
    print(" each; %u refills\n", result->stats.refills);
  }
  print("\n");
  table(results);
}
