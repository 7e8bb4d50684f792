/* MIG instances of the fake NVML: one per board, by its UUID ("gpuN.mig_uuid MIG-..."). */
#include "nvml_state.h"

#include <string.h>

enum { INSTANCE = 0x8000 }; /* in the handle of an instance: no board has such an index */

device instance_by_uuid(const char *uuid) {
    for (unsigned gpu = 0; gpu < gpu_count(); gpu++) {
        char candidate[96];
        gpu_text((int)gpu, "mig_uuid", "", candidate, sizeof candidate);
        if (*candidate && !strcmp(candidate, uuid))
            return (device)((uintptr_t)generation << 16 | INSTANCE | (gpu + 1));
    }
    return 0;
}

EXPORT result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device instance, device *board) {
    ENTER();
    if (!((uintptr_t)instance & INSTANCE))
        return INVALID_ARGUMENT;
    *board = (device)((uintptr_t)instance & ~(uintptr_t)INSTANCE);
    return SUCCESS;
}
