// One output of a device, and the trace of all that has left it.
using System;
using System.Collections.Generic;

namespace Mcs.Usb
{
    public sealed class SimOutput
    {
        private const int MaxChanges = 1 << 24;

        private readonly List<long> times = new List<long>();
        private readonly List<int> levels = new List<int>();

        internal bool IsVoltage;

        // nA or uV; the bit pattern of a sync-out
        public int Level { get; private set; }

        // How often a level beyond the range was put out as the end of the range.
        public long Clipped { get; internal set; }

        // Whether the trace was too long to keep.
        public bool IsTraceCut { get; private set; }

        internal void Set(long time, int level)
        {
            if (level == Level) return;
            Level = level;
            if (times.Count == MaxChanges)
            {
                IsTraceCut = true;
                return;
            }
            times.Add(time);
            levels.Add(level);
        }

        internal long[] Times()
        {
            return times.ToArray();
        }

        internal int[] Levels()
        {
            return levels.ToArray();
        }

        internal void ClearTrace()
        {
            times.Clear();
            levels.Clear();
            IsTraceCut = false;
        }
    }
}
