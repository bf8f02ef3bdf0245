// A simulator of Multi Channel Systems' stimulators behind the vendor's signatures.
// Two assemblies are built from these files, with GENERATION_3 or GENERATION_5 defined.
using System.Reflection;

[assembly: AssemblyTitle("Simulated stimulators, in place of the vendor's assembly")]
#if GENERATION_5
[assembly: AssemblyVersion("5.3.15.0")]
#else
[assembly: AssemblyVersion("3.2.45.0")]
#endif
