// What runs in the containers of the benchmark: ends at once, or waits for its end.
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    while (argc > 1 && strcmp(argv[1], "pause") == 0)
        pause();
    return 0;
}
