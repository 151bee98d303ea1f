/* What the kernel does here of what arms ask for, tried out on a page. */
#ifndef HAK_POLICY_ABILITIES_H
#define HAK_POLICY_ABILITIES_H

#include <stdbool.h>

#include "os/os.h"
#include "policy/arms.h"

/* Sets what is the same for every band; whether there are spans the caller says. */
void abilities_find(const struct os_machine *machine, bool have_arena, struct arm_abilities *can);

#endif
