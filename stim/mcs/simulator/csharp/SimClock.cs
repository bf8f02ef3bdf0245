// The time of this computer, which runs on whatever a thread does.
using System.Diagnostics;

namespace Mcs.Usb
{
    public static class SimClock
    {
        internal const long Second = 1000000000;

        // Monotonic time, ns.
        public static long Now()
        {
            long ticks = Stopwatch.GetTimestamp(), frequency = Stopwatch.Frequency;
            return ticks / frequency * Second + ticks % frequency * Second / frequency;
        }

        // Frames that are due after a while, and when a frame is due: exact for centuries.
        internal static long FramesIn(long ns, uint rate)
        {
            return ns / Second * rate + ns % Second * rate / Second;
        }

        internal static long TimeOf(long frame, uint rate)
        {
            return frame / rate * Second + frame % rate * Second / rate;
        }
    }
}
