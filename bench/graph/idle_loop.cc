// Counts at idle priority (SCHED_IDLE) until it is ended: the least that work in the background can
// disturb. usage: idle_loop
#include <sched.h>

int main() {
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) return 1;
  for (volatile unsigned long count = 0;;) count = count + 1;
}
